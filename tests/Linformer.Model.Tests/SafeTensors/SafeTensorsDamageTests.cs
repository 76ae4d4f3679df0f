using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Linformer.Model.SafeTensors;

namespace Linformer.Model.Tests.SafeTensors;

public sealed class SafeTensorsDamageTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string, int, string> BadHeaders => new()
    {
        { "[]", 0, "does not start with '{'" },
        { " {}", 0, "does not start with '{'" },
        { "", 0, "does not start with '{'" },
        { "{", 0, "not valid JSON" },
        { "{} x", 0, "not valid JSON" },
        { """{"t":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"t":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}""", 2, "'t'" },
        { """{"t":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}}""", 1, "'dtype'" },
        { """{"__metadata__":{"a":"1","a":"2"}}""", 0, "'a'" },
        { """{"__metadata__":{"a":1}}""", 0, "metadata 'a' is 1; allowed is a string" },
        { """{"__metadata__":"a"}""", 0, "allowed is an object of strings" },
        { """{"\ud800":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}""", 1, "not valid JSON" },
        { """{"t":3}""", 0, "'t': entry is 3" },
        { """{"t":{"shape":[1],"data_offsets":[0,1]}}""", 1, "'t' has no dtype" },
        { """{"t":{"dtype":"U8","data_offsets":[0,1]}}""", 1, "'t' has no shape" },
        { """{"t":{"dtype":"U8","shape":[1]}}""", 1, "'t' has no data_offsets" },
        { """{"t":{"dtype":"F7","shape":[1],"data_offsets":[0,1]}}""", 1, "dtype is \"F7\"; allowed is F64, F32" },
        { """{"t":{"dtype":"u8","shape":[1],"data_offsets":[0,1]}}""", 1, "dtype is \"u8\"" },
        { """{"t":{"dtype":"8","shape":[1],"data_offsets":[0,1]}}""", 1, "dtype is \"8\"" },
        { """{"t":{"dtype":"U8","shape":1,"data_offsets":[0,1]}}""", 1, "shape is 1" },
        { """{"t":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}}""", 1, "shape is -1" },
        { """{"t":{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}}""", 1, "shape is 1.0" },
        { """{"t":{"dtype":"U8","shape":["1"],"data_offsets":[0,1]}}""", 1, "shape is \"1\"" },
        { """{"t":{"dtype":"U8","shape":[9223372036854775808],"data_offsets":[0,1]}}""", 1, "shape is 9223372036854775808" },
        { """{"t":{"dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,0]}}""", 0, "fits 63 bits" },
        { """{"t":{"dtype":"U8","shape":[4611686018427387904,4,0],"data_offsets":[0,0]}}""", 0, "fits 63 bits" },
        { """{"t":{"dtype":"U8","shape":[1],"data_offsets":[0]}}""", 1, "data_offsets is [0]" },
        { """{"t":{"dtype":"U8","shape":[1],"data_offsets":[0,1,1]}}""", 1, "data_offsets is [0,1,1]" },
        { """{"t":{"dtype":"U8","shape":[1],"data_offsets":[1,0]}}""", 1, "data_offsets is [1,0]" },
        { """{"t":{"dtype":"F32","shape":[2],"data_offsets":[0,7]}}""", 7, "allowed is a range of 8 bytes" },
        { """{"t":{"dtype":"U8","shape":[1],"data_offsets":[9223372036854775806,9223372036854775807]}}""", 1, "allowed is offsets within the file" },
        { """{"t":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}""", 2, "'t' starts at data offset 1 and leaves a gap; allowed is 0" },
        { """{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}""", 3, "'b' starts at data offset 1 and overlaps" },
        { """{"t":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}""", 1, "'t' ends 1 bytes after the file's end" },
        { """{"t":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}""", 3, "its tensors end at" },
        { "{}", 1, "its tensors end at" },
    };

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(BadHeaders))]
    public void AHeaderThatBreaksARuleIsNamed(string header, int dataLength, string message)
    {
        var path = Write([.. BitConverter.GetBytes((long)Encoding.UTF8.GetByteCount(header)), .. Encoding.UTF8.GetBytes(header), .. new byte[dataLength]]);

        var error = Should.Throw<SafeTensorsException>(() => SafeTensorsFile.Open(path).Dispose());

        error.Message.ShouldStartWith(path);
        error.Message.ShouldContain(message);
    }

    [Fact]
    public void LengthsThatCannotBeAreNamed()
    {
        Error(Write([])).ShouldContain("has 0 bytes");
        Error(Write([2, 0, 0, 0, 0, 0, 0])).ShouldContain("has 7 bytes");
        Error(Write([3, 0, 0, 0, 0, 0, 0, 0, .. "{}"u8])).ShouldContain("given as 3; allowed are up to 2");
        Error(Write([255, 255, 255, 255, 255, 255, 255, 255, .. "{}"u8])).ShouldContain("given as 18446744073709551615");
        Error(Write([5, 0, 0, 0, 0, 0, 0, 0, .. "{\"\xff\":"u8[..3], 0xff, (byte)'}'])).ShouldContain("not valid UTF-8");
        Error(_folder.File("absent")).ShouldContain("cannot be read");
        Error(Path.GetTempPath()).ShouldContain("cannot be read");
    }

    [Fact]
    public void AHeaderOverTheLimitIsRefusedBeforeItIsRead()
    {
        var path = _folder.File("huge");
        using (var stream = File.Create(path))
        {
            stream.Write(BitConverter.GetBytes(100_000_001L));
            stream.SetLength(200_000_000);
        }

        var before = GC.GetAllocatedBytesForCurrentThread();
        Error(path).ShouldContain("allowed are up to 100000000");
        (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBeLessThan(1_000_000);
    }

    [Fact]
    public void NullMetadataAndUnknownFieldsAreTaken()
    {
        const string Header = """{"__metadata__":null,"t":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"comment":"x"}}   """;
        var path = Write([.. BitConverter.GetBytes((long)Header.Length), .. Encoding.UTF8.GetBytes(Header), 5]);

        using var file = SafeTensorsFile.Open(path);

        file.Read("t").ShouldBe([5]);
    }

    [Fact]
    public void DamagedBytesGiveOnlySafeTensorsExceptions()
    {
        var good = Sample();
        var change = Gen.Zip(Gen.Choose(0, good.Length - 1), Gen.Choose(0, 255));
        var refused = 0;

        Check.One(Config.QuickThrowOnFailure.WithMaxTest(2000), Prop.ForAll(change.ListOf().ToArbitrary(), changes =>
        {
            var bytes = good.ToArray();
            foreach (var (position, value) in changes)
            {
                bytes[position] = (byte)value;
            }

            refused += ReadAll(bytes) ? 0 : 1;
        }));

        refused.ShouldBeGreaterThan(1000);
    }

    [Fact]
    public void EveryTruncationAndEveryExtensionIsRefused()
    {
        var good = Sample();
        for (var length = 0; length < good.Length; length++)
        {
            ReadAll(good[..length]).ShouldBeFalse($"cut to {length} bytes");
        }

        ReadAll([.. good, 0]).ShouldBeFalse();
        ReadAll(good).ShouldBeTrue();
    }

    [Fact]
    public void RandomJsonWithRightFramingGivesOnlySafeTensorsExceptions()
    {
        // Pieces of a header in random order reach deeper than random bytes.
        string[] pieces = ["{", "}", "[", "]", ",", ":", "\"dtype\"", "\"F32\"", "\"shape\"", "\"data_offsets\"", "0", "4", "-1", "1e3",
            "\"__metadata__\"", "null", "\"t\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}", "\"\\ud800\"", "99999999999999999999", " "];
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(2000), Prop.ForAll(Gen.Elements(pieces).ListOf().ToArbitrary(), parts =>
        {
            var header = Encoding.UTF8.GetBytes("{" + string.Concat(parts));
            ReadAll([.. BitConverter.GetBytes((long)header.Length), .. header, 0, 0, 0, 0]);
        }));
    }

    private static string Error(string path) => Should.Throw<SafeTensorsException>(() => SafeTensorsFile.Open(path).Dispose()).Message;

    private static byte[] Sample()
    {
        using var stream = new MemoryStream();
        SafeTensorsWriter.Write(
            stream,
            [new("a", ElementType.F32, [2, 2], new byte[16]), new("b", ElementType.U8, [3], new byte[3]), new("c", ElementType.I64, [], new byte[8])],
            new Dictionary<string, string> { ["k"] = "v" });
        return stream.ToArray();
    }

    // True: the file opened and every tensor could be read. Any exception but the documented one escapes and fails the test.
    private bool ReadAll(byte[] bytes)
    {
        try
        {
            using var file = SafeTensorsFile.Open(Write(bytes));
            foreach (var tensor in file.Tensors)
            {
                file.Read(tensor.Name).LongLength.ShouldBe(tensor.ByteLength);
            }

            return true;
        }
        catch (SafeTensorsException)
        {
            return false;
        }
    }

    private string Write(byte[] bytes)
    {
        var path = _folder.File("bytes.safetensors");
        File.WriteAllBytes(path, bytes);
        return path;
    }
}
