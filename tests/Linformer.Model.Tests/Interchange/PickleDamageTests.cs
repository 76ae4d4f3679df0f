using System.IO.Compression;
using System.Text;
using Linformer.Fuzzing;
using Linformer.Model.Interchange.Pickle;
using Linformer.Model.SafeTensors;
using Xunit.Abstractions;
using static Linformer.Model.Tests.Interchange.PickleBytes;

namespace Linformer.Model.Tests.Interchange;

/// <summary>PyTorch files as nobody saves them by accident.</summary>
public sealed class PickleDamageTests(ITestOutputHelper output) : IDisposable
{
    private const string Four = "K\u0004";

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_good_one_is_read()
    {
        using var file = Open(File(Pickle("}" + Text("a") + Tensor("K\u0001", "(K\u0003t", "(K\u0001t") + "s.")));
        file.Read((PickledTensor)((PickledDictionary)file.Root!)["a"]!).ShouldBe(Enumerable.Range(4, 12).Select(i => (byte)i));
    }

    [Theory]
    [InlineData("cos\nsystem\nX\u0001\0\0\0a\u0085R.", "os.system")]
    [InlineData("cposix\nsystem\n.", "posix.system")]
    [InlineData("cbuiltins\neval\n.", "builtins.eval")]
    [InlineData("X\u0008\0\0\0builtinsX\u0004\0\0\0exec\u0093.", "builtins.exec")]
    [InlineData("ctorch\nload\n.", "torch.load")]
    [InlineData("ctorch._utils\n_rebuild_tensor_v2.__globals__\n.", "__globals__")]
    [InlineData("ccollections\nOrderedDict\n(ccollections\nOrderedDict\nK\u0001tR.", "other arguments")]
    [InlineData("cargparse\nNamespace\nX\u0001\0\0\0a\u0085R.", "other arguments")]
    [InlineData("cargparse\nNamespace\nX\u0001\0\0\0a\u0085\u0081.", "no part of a state dict")]
    [InlineData("ccollections\nOrderedDict\n)\u0081.", "no part of a state dict")]
    [InlineData("]}X\u000c\0\0\0__setstate__K\u0001sb.", "given a state")]
    [InlineData("X\u0001\0\0\0a)R.", "something is called")]
    [InlineData("(ios\nsystem\n.", "0x69")]
    [InlineData("P0\n.", "0x50")]
    [InlineData("\u0082\u0001.", "0x82")]
    [InlineData("N0.", "0x30")]
    [InlineData("X\u0001\0\0\0aQ.", "storage is not named")]
    [InlineData("h\u0005.", "stored under the number 5")]
    [InlineData("K\u0001", "too early")]
    [InlineData("t.", "mark is missing")]
    [InlineData("(.", "other than one value")]
    [InlineData("K\u0001K\u0002.", "other than one value")]
    [InlineData("ctorch\nFloatStorage\n.", "other than one value")]
    [InlineData("}]K\u0001s.", "neither a text nor a whole number")]
    [InlineData("\u008a\u00ff.", "255 bytes")]
    [InlineData("X\u00ff\u00ff\u00ff\u00ffa.", "too early")]
    [InlineData("X\u0001\0\0\0\u00ff.", "UTF-8")]
    public void What_torch_save_does_not_write_is_refused(string operations, string said)
    {
        var exception = Should.Throw<PickleException>(() => Open(File(Pickle(operations))));
        exception.Message.ShouldContain(said);
        exception.Message.ShouldMatch(@"file\.pt, data\.pkl, byte \d+");
    }

    [Theory]
    [InlineData("K\u0000", "(K\u0005t", "(K\u0001t", Four, "leaves its storage")]
    [InlineData("K\u0002", "(K\u0003t", "(K\u0001t", Four, "leaves its storage")]
    [InlineData("K\u0000", "(K\u0002K\u0002t", "(K\u0003K\u0001t", Four, "leaves its storage")]
    [InlineData("K\u0000", "(K\u0008t", "(K\u0000t", Four, "repeats")]
    [InlineData("K\u0000", "(K\u0002t", "(t", Four, "number of strides")]
    [InlineData("J\u00ff\u00ff\u00ff\u00ff", "(K\u0002t", "(K\u0001t", Four, "starts before")]
    [InlineData("K\u0000", "(J\u00ff\u00ff\u00ff\u00fft", "(K\u0001t", Four, "from 0 on")]
    [InlineData("K\u0000", "(J\u00ff\u00ff\u00ff\u007fJ\u00ff\u00ff\u00ff\u007fJ\u00ff\u00ff\u00ff\u007ft", "(K\0K\0K\0t", Four, "63 bits")]
    public void A_tensor_that_leaves_its_storage_is_refused(string offset, string shape, string strides, string elements, string said) =>
        Should.Throw<PickleException>(() => Open(File(Pickle(Tensor(offset, shape, strides, elements) + ".")))).Message.ShouldContain(said);

    [Fact]
    public void A_storage_that_is_shorter_than_it_says_is_refused()
    {
        using var file = Open(File(Pickle(Tensor("K\0", "(J\0\0\0\u0040t", "(K\u0001t", "J\0\0\0\u0040") + ".")));
        Should.Throw<PickleException>(() => file.Read((PickledTensor)file.Root!)).Message.ShouldContain("16 bytes; 1073741824 elements");
    }

    [Fact]
    public void Parts_that_are_compressed_are_refused()
    {
        var bomb = File(Pickle(Tensor("K\0", "(J\0\0\0\u0001t", "(K\u0001t", "J\0\0\0\u0001") + new string('N', 100_000)), CompressionLevel.SmallestSize, storageBytes: 1 << 26);
        bomb.Length.ShouldBeLessThan(1 << 20);
        Should.Throw<PickleException>(() => Open(bomb)).Message.ShouldContain("compressed");
    }

    [Fact]
    public void Other_byte_orders_are_refused()
    {
        Open(File(Pickle("N."), byteOrder: "little")).Dispose();
        Should.Throw<PickleException>(() => Open(File(Pickle("N."), byteOrder: "big"))).Message.ShouldContain("'big'");
    }

    [Fact]
    public void What_is_no_such_file_is_named()
    {
        Should.Throw<PickleException>(() => Open([])).Message.ShouldContain("no file of torch.save");
        Should.Throw<PickleException>(() => Open("PK\u0003\u0004"u8.ToArray())).Message.ShouldContain("cannot be read");
        Should.Throw<PickleException>(() => PyTorchFile.Open(_folder.File("none.pt"))).Message.ShouldContain("none.pt");
    }

    [Fact]
    public void A_million_containers_in_each_other_are_no_danger()
    {
        var deep = new StringBuilder();
        deep.Append(']', 1_000_000).Append('a', 999_999).Append('.');
        Open(File(Pickle(deep.ToString()))).Dispose();
    }

    [Fact]
    public void Damaged_files_are_read_or_refused()
    {
        new Fuzzer
        {
            Name = "pytorch file",
            Corpus =
            [
                File(Pickle("}" + Text("a") + Tensor("K\u0001", "(K\u0003t", "(K\u0001t") + "s.")),
                System.IO.File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Interchange", "state.pt")),
            ],
            Dictionary = ["data.pkl", "archive/data/0", "PK\u0001\u0002", "torch\nFloatStorage\n"],
            Cases = 3000,
            MayThrow = e => e is PickleException,
        }.Run(ReadAll, output);
    }

    [Fact]
    public void Damaged_pickles_are_read_or_refused()
    {
        new Fuzzer
        {
            Name = "pickle",
            Corpus =
            [
                Pickle("}" + Text("a") + Tensor("K\u0001", "(K\u0003t", "(K\u0001t") + "s."),
                Pickle("ccollections\nOrderedDict\n)R(" + Text("x") + Tensor("K\0", "(K\u0002K\u0002t", "(K\u0001K\u0002t") + Text("y") + "]q\u0001(K\u0001Nh\u0001eu."),
                Pickle("cargparse\nNamespace\n)\u0081}" + Text("x") + "G?\u00f0\0\0\0\0\0\0sb."),
            ],
            Dictionary = ["ctorch._utils\n_rebuild_tensor_v2\n", "ctorch\nFloatStorage\n", "ccollections\nOrderedDict\n)R", "cos\nsystem\n", "(", "t", "R", "Q", "b", "h\u0001", "q\u0001"],
            Cases = 10_000,
            MayThrow = e => e is PickleException,
        }.Run(pickle => ReadAll(File(pickle)), output);
    }

    private PyTorchFile Open(byte[] content)
    {
        System.IO.File.WriteAllBytes(_folder.File("file.pt"), content);
        return PyTorchFile.Open(_folder.File("file.pt"));
    }

    private void ReadAll(byte[] content)
    {
        using var file = Open(content);
        var values = file.Root is PickledDictionary dictionary ? dictionary.Items.Select(item => item.Value) : [file.Root];
        foreach (var tensor in values.OfType<PickledTensor>())
        {
            file.Read(tensor).LongLength.ShouldBe(tensor.Elements * tensor.Type.Size());
        }
    }
}
