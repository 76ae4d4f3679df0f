using System.Runtime.InteropServices;
using System.Text;
using Linformer.Model.SafeTensors;

namespace Linformer.Model.Tests.SafeTensors;

public sealed class SafeTensorsFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void EveryElementTypeComesBackAsItWasWritten()
    {
        var random = new Random(1);
        var entries = Enum.GetValues<ElementType>().Select(type =>
        {
            var bytes = new byte[6 * type.Size()];
            random.NextBytes(bytes);
            return (Entry: new SafeTensorEntry($"tensor.{type}", type, [2, 3], bytes), Bytes: bytes);
        }).ToList();
        var path = _folder.File("all.safetensors");

        SafeTensorsWriter.Write(path, [.. entries.Select(e => e.Entry)], new Dictionary<string, string> { ["a"] = "1", ["ü"] = "\"☃\"" });

        using var file = SafeTensorsFile.Open(path);
        file.Tensors.Count.ShouldBe(10);
        file.Metadata.ShouldBe(new Dictionary<string, string> { ["a"] = "1", ["ü"] = "\"☃\"" }, ignoreOrder: true);
        foreach (var (entry, bytes) in entries)
        {
            file[entry.Name].Type.ShouldBe(entry.Type);
            file[entry.Name].Shape.ShouldBe([2L, 3L]);
            file.Read(entry.Name).ShouldBe(bytes);
        }
    }

    [Fact]
    public void ScalarsAndEmptyTensorsAndAnEmptyFileComeBack()
    {
        var path = _folder.File("edge.safetensors");
        SafeTensorsWriter.Write(path, [new("s", ElementType.I16, [], new byte[] { 1, 2 }), new("z", ElementType.F64, [4, 0, 2], Array.Empty<byte>())]);
        using (var file = SafeTensorsFile.Open(path))
        {
            file["s"].Shape.ShouldBeEmpty();
            file.Read("s").ShouldBe([1, 2]);
            file["z"].Shape.ShouldBe([4L, 0L, 2L]);
            file.Read("z").ShouldBeEmpty();
            file.Metadata.ShouldBeEmpty();
        }

        SafeTensorsWriter.Write(path, []);
        File.ReadAllBytes(path).ShouldBe([8, 0, 0, 0, 0, 0, 0, 0, .. "{}      "u8]);
        using var empty = SafeTensorsFile.Open(path);
        empty.Tensors.ShouldBeEmpty();
    }

    [Fact]
    public void HeaderIsPaddedAndEveryTensorIsAlignedWhateverTheOrder()
    {
        SafeTensorEntry[] entries =
        [
            new("b", ElementType.U8, [3], new byte[3]),
            new("d", ElementType.F64, [1], new byte[8]),
            new("a", ElementType.F32, [1], new byte[4]),
            new("c", ElementType.F16, [1], new byte[2]),
            new("e", ElementType.I64, [1], new byte[8]),
        ];
        using var forward = new MemoryStream();
        using var backward = new MemoryStream();

        SafeTensorsWriter.Write(forward, entries, new Dictionary<string, string> { ["x"] = "1", ["y"] = "2" });
        SafeTensorsWriter.Write(backward, [.. entries.Reverse()], new Dictionary<string, string> { ["y"] = "2", ["x"] = "1" });

        backward.ToArray().ShouldBe(forward.ToArray());
        (BitConverter.ToInt64(forward.ToArray()) % 8).ShouldBe(0);
        File.WriteAllBytes(_folder.File("f"), forward.ToArray());
        using var file = SafeTensorsFile.Open(_folder.File("f"));
        file.Tensors.Select(t => t.Name).ShouldBe(["d", "e", "a", "c", "b"]);
        file.Tensors.ShouldAllBe(t => t.Offset % t.Type.Size() == 0);
    }

    [Fact]
    public void NativeMemoryIsWrittenAndReadWithoutManagedCopies()
    {
        // Three pieces of the internal 16 MB, the last one partial.
        const int Length = (1 << 25) + 12;
        var source = Marshal.AllocHGlobal(Length);
        var target = Marshal.AllocHGlobal(Length);
        try
        {
            var pattern = new byte[Length];
            new Random(2).NextBytes(pattern);
            Marshal.Copy(pattern, 0, source, Length);
            var path = _folder.File("native.safetensors");

            SafeTensorsWriter.Write(path, [SafeTensorEntry.FromPointer("w", ElementType.F32, [Length / 4], source)]);
            using var file = SafeTensorsFile.Open(path);
            file.ReadInto("w", target, Length);

            var read = new byte[Length];
            Marshal.Copy(target, read, 0, Length);
            read.AsSpan().SequenceEqual(pattern).ShouldBeTrue();
            Should.Throw<SafeTensorsException>(() => file.ReadInto("w", target, Length - 1)).Message.ShouldContain($"has {Length} bytes");
        }
        finally
        {
            Marshal.FreeHGlobal(source);
            Marshal.FreeHGlobal(target);
        }
    }

    [Fact]
    public void PartsOfATensorAreRead()
    {
        var path = _folder.File("parts.safetensors");
        SafeTensorsWriter.Write(path, [new("t", ElementType.U8, [10], Enumerable.Range(0, 10).Select(i => (byte)i).ToArray())]);
        using var file = SafeTensorsFile.Open(path);
        var three = new byte[3];

        file.ReadInto("t", 7, three);

        three.ShouldBe([7, 8, 9]);
        foreach (var offset in new[] { -1, 8, 11, long.MaxValue, long.MinValue })
        {
            Should.Throw<SafeTensorsException>(() => file.ReadInto("t", offset, three)).Message.ShouldContain("tensor 't' has 10 bytes");
        }

        Should.Throw<SafeTensorsException>(() => file.ReadInto("t", new byte[9])).Message.ShouldContain("room for 9");
        Should.Throw<SafeTensorsException>(() => file.Read("u")).Message.ShouldContain("no tensor 'u'");
    }

    [Fact]
    public void OffsetsBeyondFourGigabytesAreRead()
    {
        // A sparse file: 5 GB long, a few kilobytes on disk.
        var path = _folder.File("long.safetensors");
        const long Big = 5L << 30;
        var json = $$$"""{"big":{"dtype":"U8","shape":[{{{Big}}}],"data_offsets":[0,{{{Big}}}]},"last":{"dtype":"U8","shape":[2],"data_offsets":[{{{Big}}},{{{Big + 2}}}]}}""";
        using (var stream = File.Create(path))
        {
            stream.Write(BitConverter.GetBytes((long)json.Length));
            stream.Write(Encoding.UTF8.GetBytes(json));
            stream.Position += Big - 1;
            stream.Write([7, 8, 9]);
        }

        using var file = SafeTensorsFile.Open(path);

        file.Read("last").ShouldBe([8, 9]);
        var one = new byte[1];
        file.ReadInto("big", Big - 1, one);
        one.ShouldBe([7]);
        Should.Throw<SafeTensorsException>(() => file.Read("big")).Message.ShouldContain("read it in parts");
    }

    [Fact]
    public void AFileThatIsCutShortWhileOpenGivesAnException()
    {
        var path = _folder.File("cut.safetensors");
        SafeTensorsWriter.Write(path, [new("t", ElementType.U8, [4], new byte[4])]);
        using var file = SafeTensorsFile.Open(path);
        using (var stream = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
        {
            stream.SetLength(stream.Length - 1);
        }

        Should.Throw<SafeTensorsException>(() => file.Read("t")).Message.ShouldContain("tensor 't' cannot be read");
    }

    [Fact]
    public void WrongTensorsAreNotWritten()
    {
        Error(new SafeTensorEntry("x", ElementType.F32, [2], new byte[7])).ShouldContain("gives 7 bytes; type and shape ask for 8");
        Error(new SafeTensorEntry("x", ElementType.F32, [2], new byte[9])).ShouldContain("at least 9 bytes; type and shape ask for 8");
        Error(new SafeTensorEntry("x", ElementType.F32, [-1], new byte[4])).ShouldContain("shape [-1]");
        Error(new SafeTensorEntry("x", ElementType.F32, [1L << 40, 1L << 40], new byte[4])).ShouldContain("63 bits");
        Error(new SafeTensorEntry("__metadata__", ElementType.U8, [], new byte[1])).ShouldContain("'__metadata__'");
        Error(new SafeTensorEntry("\ud800", ElementType.U8, [], new byte[1])).ShouldContain("not valid Unicode");
        Error(new SafeTensorEntry("x", (ElementType)99, [], new byte[1])).ShouldContain("99");
        Error(new SafeTensorEntry("x", ElementType.U8, [], new byte[1]), new("x", ElementType.U8, [], new byte[1])).ShouldContain("named 'x'");
        Should.Throw<SafeTensorsException>(() => SafeTensorsWriter.Write(_folder.File("no/folder"), [])).Message.ShouldContain("cannot be written");

        static string Error(params SafeTensorEntry[] entries) =>
            Should.Throw<SafeTensorsException>(() => SafeTensorsWriter.Write(new MemoryStream(), entries)).Message;
    }

    [SkippableFact]
    public void AFullDiskIsAClearError()
    {
        Skip.IfNot(File.Exists("/dev/full"), "this system has no /dev/full");

        Should.Throw<SafeTensorsException>(() => SafeTensorsWriter.Write("/dev/full", [new("t", ElementType.U8, [1], new byte[1])]))
            .Message.ShouldContain("/dev/full: cannot be written: No space left on device");
    }
}
