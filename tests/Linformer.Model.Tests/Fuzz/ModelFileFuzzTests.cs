using System.Buffers.Binary;
using System.Text;
using Linformer.Fuzzing;
using Linformer.Model.SafeTensors;
using Xunit.Abstractions;

namespace Linformer.Model.Tests.Fuzz;

/// <summary>The files of a model folder, damaged.</summary>
public sealed class ModelFileFuzzTests(ITestOutputHelper output) : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public void Safetensors_files_are_read_or_refused()
    {
        new Fuzzer
        {
            Name = "safetensors",
            Corpus =
            [
                File("""{"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},"b":{"dtype":"BF16","shape":[3],"data_offsets":[16,22]}}""", 22),
                File("""{"__metadata__":{"format":"pt","k":"v"},"scalar":{"dtype":"I64","shape":[],"data_offsets":[0,8]},"none":{"dtype":"BOOL","shape":[0,4],"data_offsets":[8,8]}}""", 8),
                File("{}", 0),
                File("""{"\u0061":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"☃":{"dtype":"F16","shape":[1,1,1,1],"data_offsets":[1,3]}}   """, 3),
            ],
            Dictionary = ["\"dtype\":", "\"shape\":", "\"data_offsets\":", "\"__metadata__\":", "F8", "F64", "I8", "\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},", "[9223372036854775807,9223372036854775807]", "9223372036854775807,"],
            Cases = 3000,
            MayThrow = e => e is SafeTensorsException,
        }.Run(Read, output);
    }

    [Fact]
    public void A_header_that_was_damaged_with_its_length_made_right_is_read_or_refused()
    {
        new Fuzzer
        {
            Name = "safetensors header",
            Corpus =
            [
                Encoding.UTF8.GetBytes("""{"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},"b":{"dtype":"BF16","shape":[8],"data_offsets":[16,32]}}"""),
                Encoding.UTF8.GetBytes("""{"__metadata__":{"a":"b"},"a":{"dtype":"U8","shape":[1,32],"data_offsets":[0,32]}}"""),
            ],
            Dictionary = ["\"dtype\":\"F32\",", "\"shape\":[", "\"data_offsets\":[", "\"__metadata__\":{", "4294967296,", "4611686018427387904,2,0"],
            Cases = 3000,
            MayThrow = e => e is SafeTensorsException,
        }.Run(header => Read(Join(header, 32)), output);
    }

    [Fact]
    public void Config_files_are_read_or_refused()
    {
        new Fuzzer
        {
            Name = "config",
            Corpus =
            [
                Encoding.UTF8.GetBytes(ConfigFile.Write(new ModelDescription(ModelKind.MaskedLanguage, LinformerConfig.Preset("linformer-tiny", 300)))),
                Encoding.UTF8.GetBytes(ConfigFile.Write(new ModelDescription(ModelKind.Classification, LinformerConfig.Preset("linformer-base", 50_000) with { Attention = AttentionKind.Full, Sharing = ProjectionSharing.None }))),
            ],
            Dictionary = ["\"vocab_size\":", "\"sharing\": \"none\",", "\"model_type\":\"linformer\",", "2147483647"],
            Cases = 3000,
            MayThrow = e => e is ModelFormatException,
        }.Run(text => ConfigFile.Read(Encoding.UTF8.GetString(text), "config.json").Config.Validate(), output);
    }

    [Fact]
    public void A_model_folder_of_damaged_files_is_loaded_or_refused()
    {
        var config = new LinformerConfig { VocabularySize = 20, Layers = 1, Heads = 2, Hidden = 8, FeedForward = 8, SequenceLength = 8, ProjectedLength = 4 };
        using (var model = new MaskedLanguageModel(config))
        {
            ModelFolder.Save(_folder.File("model"), model);
        }

        var configPath = _folder.File("model/config.json");
        new Fuzzer
        {
            Name = "model folder",
            Corpus = [System.IO.File.ReadAllBytes(configPath)],
            Dictionary = ["2147483647", "1000000", "100000"],
            Cases = 250,
            AllocationBase = 16 << 20,
            AllocationPerByte = 2000,
            MayThrow = e => e is ModelFormatException or SafeTensorsException,
        }.Run(
            text =>
            {
                System.IO.File.WriteAllBytes(configPath, text);
                ModelFolder.Load(_folder.File("model")).Dispose();
            },
            output);
    }

    public void Dispose() => _folder.Dispose();

    private static byte[] File(string header, int data) => Join(Encoding.UTF8.GetBytes(header), data);

    private static byte[] Join(byte[] header, int data)
    {
        var length = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, header.Length);
        return [.. length, .. header, .. Enumerable.Range(0, data).Select(i => (byte)i)];
    }

    private void Read(byte[] content)
    {
        var path = _folder.File("file.safetensors");
        System.IO.File.WriteAllBytes(path, content);
        using var file = SafeTensorsFile.Open(path);
        foreach (var tensor in file.Tensors)
        {
            file.Read(tensor.Name).LongLength.ShouldBe(tensor.ByteLength);
            Weights.Read(file, tensor.Name).Dispose();
        }
    }
}
