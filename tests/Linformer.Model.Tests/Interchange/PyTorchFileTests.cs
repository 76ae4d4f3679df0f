using System.Text.Json.Nodes;
using Linformer.Model.Interchange;
using Linformer.Model.Interchange.Pickle;
using Linformer.Model.SafeTensors;

namespace Linformer.Model.Tests.Interchange;

/// <summary>Against PyTorch itself.</summary>
[Trait("Lane", "Processes")]
public sealed class PyTorchFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Tensors_of_torch_save_are_read_with_all_types_views_and_shared_storages()
    {
        Run("make", _folder.Path);
        using var file = PyTorchFile.Open(_folder.File("state.pt"));
        var state = file.Root.ShouldBeOfType<PickledDictionary>();
        var expected = JsonNode.Parse(File.ReadAllText(_folder.File("state.json")))!.AsObject();
        state.Items.Select(item => item.Key).ShouldBe(expected.Select(item => (object)item.Key));
        foreach (var (key, value) in state.Items)
        {
            var tensor = value.ShouldBeOfType<PickledTensor>();
            var wanted = expected[(string)key]!;
            tensor.Shape.ShouldBe(wanted["shape"]!.AsArray().Select(n => (long)n!), (string)key);
            Numbers(tensor.Type, file.Read(tensor)).ShouldBe(wanted["values"]!.AsArray().Select(n => (double)n!), (string)key);
        }
    }

    [Fact]
    public void Containers_and_namespaces_are_plain_data()
    {
        Run("make", _folder.Path);
        using var file = PyTorchFile.Open(_folder.File("checkpoint.pt"));
        var root = file.Root.ShouldBeOfType<PickledDictionary>();
        root["step"].ShouldBe(1L << 40);
        root["model"].ShouldBeOfType<PickledDictionary>()["weight"].ShouldBeOfType<PickledTensor>().Shape.ShouldBe([3, 2]);
        var fields = root["args"].ShouldBeOfType<PickledNamespace>().Fields;
        fields["layers"].ShouldBe(2L);
        fields["name"].ShouldBe("ü");
        fields["rates"].ShouldBeOfType<List<object?>>().ShouldBe([0.5, null, true]);
        fields["nested"].ShouldBeOfType<object?[]>().ShouldBe(["a", -1L]);
    }

    [Fact]
    public void What_wraps_a_model_is_taken_off_its_names_where_all_have_it()
    {
        Run("make", _folder.Path);
        Names("wrapped.pt").ShouldBe(["weight", "bias"]);
        Names("checkpoint.pt").ShouldBe(["weight", "bias"]);
        Names("unwrapped.pt").ShouldBe(["module.a", "b"]);

        IReadOnlyList<string> Names(string name)
        {
            using var state = StateDict.Open(_folder.File(name));
            return state.Names;
        }
    }

    [Fact]
    public void A_tensor_that_repeats_a_few_elements_without_end_is_refused()
    {
        Run("make", _folder.Path);
        Should.Throw<PickleException>(() => PyTorchFile.Open(_folder.File("expanded.pt"))).Message.ShouldContain("contiguous()");
    }

    [Fact]
    public void Damage_in_a_storage_is_found()
    {
        Run("make", _folder.Path);
        var bytes = File.ReadAllBytes(_folder.File("large.pt"));
        bytes[bytes.Length / 2] ^= 4;
        File.WriteAllBytes(_folder.File("damaged.pt"), bytes);
        using var file = PyTorchFile.Open(_folder.File("damaged.pt"));
        Should.Throw<PickleException>(() => file.Read((PickledTensor)file.Root!)).Message.ShouldContain("check sum");
    }

    [Theory]
    [InlineData("system.pt", "system")]
    [InlineData("eval.pt", "eval")]
    [InlineData("getattr.pt", "getattr")]
    [InlineData("load.pt", "torch.serialization.load")]
    [InlineData("protocol4.pt", "system")]
    [InlineData("module.pt", "torch.nn.modules.linear.Linear")]
    public void What_would_run_something_is_refused_by_its_name_and_place(string name, string global)
    {
        Run("evil", _folder.Path);
        var message = Should.Throw<PickleException>(() => PyTorchFile.Open(_folder.File(name))).Message;
        message.ShouldContain(global);
        message.ShouldContain("not allowed");
        message.ShouldMatch(@"data\.pkl, byte \d+");
        File.Exists(_folder.File("was-run")).ShouldBeFalse();
    }

    [Fact]
    public void The_old_format_is_refused_with_advice()
    {
        Run("legacy", _folder.File("old.bin"));
        Should.Throw<PickleException>(() => PyTorchFile.Open(_folder.File("old.bin"))).Message.ShouldContain("Save it anew");
    }

    [Fact]
    public void Torch_load_reads_what_is_written()
    {
        SafeTensorEntry[] entries =
        [
            Entry("b.weight", ElementType.F32, [2, 3], [1f, 2f, 3f, -4f, 5.5f, 1e-30f]),
            Entry("a", ElementType.I64, [], [-5L]),
            Entry("ü", ElementType.U8, [3, 0], Array.Empty<byte>()),
            Entry("half", ElementType.F16, [1], [(Half)0.5f]),
        ];
        using (var stream = File.Create(_folder.File("written.pt")))
        {
            PyTorchWriter.Write(stream, entries);
        }

        File.WriteAllText(_folder.File("expected.json"), """
            {"b.weight":{"dtype":"float32","shape":[2,3],"values":[1,2,3,-4,5.5,1.0000000031710769e-30]},
             "a":{"dtype":"int64","shape":[],"values":[-5]},
             "ü":{"dtype":"uint8","shape":[3,0],"values":[]},
             "half":{"dtype":"float16","shape":[1],"values":[0.5]}}
            """);
        Run("check", _folder.File("written.pt"), _folder.File("expected.json"));
        using var file = PyTorchFile.Open(_folder.File("written.pt"));
        file.Read((PickledTensor)((PickledDictionary)file.Root!)["a"]!).ShouldBe(BitConverter.GetBytes(-5L));
    }

    private static void Run(params string[] arguments) =>
        Python.Run(Path.Combine(AppContext.BaseDirectory, "Interchange", "pytorch_files.py"), arguments);

    private static SafeTensorEntry Entry<T>(string name, ElementType type, long[] shape, T[] values)
        where T : unmanaged =>
        new(name, type, shape, System.Runtime.InteropServices.MemoryMarshal.AsBytes(values.AsSpan()).ToArray());

    private static IEnumerable<double> Numbers(ElementType type, byte[] bytes)
    {
        var size = type.Size();
        for (var i = 0; i < bytes.Length; i += size)
        {
            var span = bytes.AsSpan(i, size);
            yield return type switch
            {
                ElementType.F64 => BitConverter.ToDouble(span),
                ElementType.F32 => BitConverter.ToSingle(span),
                ElementType.F16 => (double)BitConverter.ToHalf(span),
                ElementType.BF16 => BitConverter.Int32BitsToSingle(BitConverter.ToUInt16(span) << 16),
                ElementType.I64 => BitConverter.ToInt64(span),
                ElementType.I32 => BitConverter.ToInt32(span),
                ElementType.I16 => BitConverter.ToInt16(span),
                ElementType.I8 => (sbyte)span[0],
                _ => span[0],
            };
        }
    }
}
