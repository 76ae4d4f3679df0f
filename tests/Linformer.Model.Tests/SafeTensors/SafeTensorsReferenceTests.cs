using System.Runtime.InteropServices;
using System.Text.Json;
using Linformer.Model.SafeTensors;

namespace Linformer.Model.Tests.SafeTensors;

/// <summary>Files cross to and from <c>reference.py</c>, which shares no code with the product.</summary>
[Trait("Lane", "Processes")]
public sealed class SafeTensorsReferenceTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void ReadsWhatTheReferenceWrites()
    {
        var path = _folder.File("python.safetensors");
        Reference("write", path);

        using var file = SafeTensorsFile.Open(path);

        file.Metadata.ShouldBe(new Dictionary<string, string> { ["format"] = "pt", ["note"] = "naïve ☃" }, ignoreOrder: true);
        file.Tensors.Select(t => (t.Name, t.Type, string.Join('x', t.Shape))).ShouldBe(
        [
            ("scalar", ElementType.F64, ""), ("matrix", ElementType.F32, "2x3"), ("half", ElementType.F16, "3"), ("brain", ElementType.BF16, "2"),
            ("long", ElementType.I64, "2"), ("bytes", ElementType.U8, "2"), ("truth", ElementType.BOOL, "3"), ("empty", ElementType.I32, "3x0"),
            ("größe ☃", ElementType.I8, "1"),
        ],
            ignoreOrder: true);
        Values<double>("scalar").ShouldBe([1.5]);
        Values<float>("matrix").ShouldBe([0f, 0.25f, 0.5f, 0.75f, 1f, 1.25f]);
        Values<Half>("half").ShouldBe([(Half)1, (Half)(-2), (Half)0.5]);
        Values<ushort>("brain").ShouldBe([0x3F80, 0xC000]);
        Values<long>("long").ShouldBe([long.MinValue, long.MaxValue]);
        Values<byte>("bytes").ShouldBe([0, 255]);
        Values<byte>("truth").ShouldBe([1, 0, 1]);
        Values<sbyte>("größe ☃").ShouldBe([-128]);

        T[] Values<T>(string name)
            where T : unmanaged => MemoryMarshal.Cast<byte, T>(file.Read(name)).ToArray();
    }

    [Fact]
    public void TheReferenceReadsWhatTheWriterWrites()
    {
        var path = _folder.File("csharp.safetensors");
        SafeTensorsWriter.Write(
            path,
            [
                new("f64", ElementType.F64, [], Bytes(1.5)),
                new("f32", ElementType.F32, [2, 2], Bytes(0f, -1.25f, 3f, 1e-3f)),
                new("f16", ElementType.F16, [1], Bytes((Half)0.5)),
                new("bf16", ElementType.BF16, [1], Bytes((ushort)0x3F80)),
                new("i64", ElementType.I64, [2], Bytes(-5L, 1L << 40)),
                new("i32", ElementType.I32, [1, 2], Bytes(int.MinValue, int.MaxValue)),
                new("i16", ElementType.I16, [1], Bytes((short)-3)),
                new("i8", ElementType.I8, [1], Bytes((sbyte)-4)),
                new("u8", ElementType.U8, [3, 0], Bytes<byte>()),
                new("größe ☃ \"", ElementType.BOOL, [1], Bytes((byte)1)),
            ],
            new Dictionary<string, string> { ["ключ"] = "☃" });

        using var result = JsonDocument.Parse(Reference("read", path));

        var root = result.RootElement;
        (root.GetProperty("headerLength").GetInt64() % 8).ShouldBe(0);
        root.GetProperty("end").GetBoolean().ShouldBeTrue();
        root.GetProperty("metadata").GetProperty("ключ").GetString().ShouldBe("☃");
        Shown("f64").ShouldBe("F64 [] [1.5]");
        Shown("f32").ShouldBe("F32 [2, 2] [0.0, -1.25, 3.0, 0.0010000000474974513]");
        Shown("f16").ShouldBe("F16 [1] [0.5]");
        Shown("bf16").ShouldBe("BF16 [1] [16256.0]");
        Shown("i64").ShouldBe("I64 [2] [-5.0, 1099511627776.0]");
        Shown("i32").ShouldBe("I32 [1, 2] [-2147483648.0, 2147483647.0]");
        Shown("i16").ShouldBe("I16 [1] [-3.0]");
        Shown("i8").ShouldBe("I8 [1] [-4.0]");
        Shown("u8").ShouldBe("U8 [3, 0] []");
        Shown("größe ☃ \"").ShouldBe("BOOL [1] [1.0]");

        string Shown(string name)
        {
            var tensor = root.GetProperty("tensors").GetProperty(name);
            return $"{tensor.GetProperty("dtype").GetString()} {tensor.GetProperty("shape").GetRawText()} {tensor.GetProperty("values").GetRawText()}";
        }
    }

    private static byte[] Bytes<T>(params T[] values)
        where T : unmanaged => MemoryMarshal.AsBytes<T>(values).ToArray();

    private static string Reference(string command, string path) =>
        Python.Run(Path.Combine(AppContext.BaseDirectory, "SafeTensors", "reference.py"), command, path);
}
