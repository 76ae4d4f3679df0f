using Linformer.Model.SafeTensors;

namespace Linformer.Model.Tests;

public sealed class ModelFolderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_folder_that_cannot_be_written_is_no_fault_of_the_model()
    {
        using var model = ModelVariants.Build(ModelVariants.Config(ProjectionSharing.None, Normalization.Post));
        File.WriteAllText(_folder.File("file"), "");

        Should.Throw<IOException>(() => ModelFolder.Save(_folder.File("file/model"), model)).Message.ShouldContain("the model cannot be written");
        Should.Throw<IOException>(() => ModelFolder.Save(_folder.File("model"), model, _folder.File("no-tokenizer.json"))).Message.ShouldContain("the model cannot be written");
        Directory.GetFileSystemEntries(_folder.File("")).ShouldBe([_folder.File("file")]);
    }

    [Fact]
    public void A_saved_model_comes_back_with_the_same_bits()
    {
        using var model = ModelVariants.Build(ModelVariants.Config(ProjectionSharing.None, Normalization.Post));
        File.WriteAllText(_folder.File("tokenizer.json"), "{}");
        ModelFolder.Save(_folder.File("model"), model, _folder.File("tokenizer.json"));
        ModelFolder.Save(_folder.File("model"), model, _folder.File("tokenizer.json"));

        using var back = ModelFolder.Load(_folder.File("model"));

        back.Config.ShouldBe(model.Config);
        back.training.ShouldBeFalse();
        foreach (var (expected, actual) in model.parameters().Zip(back.parameters()))
        {
            actual.Equals(expected).ShouldBeTrue();
        }

        Directory.GetFileSystemEntries(_folder.File("")).Length.ShouldBe(2); // no temporary folder is left
        File.Exists(_folder.File("model/tokenizer.json")).ShouldBeTrue();
    }

    [Fact]
    public void A_config_that_does_not_say_what_the_model_is_for_is_of_a_masked_language_model()
    {
        using var model = ModelVariants.Build(ModelVariants.Config());
        ModelFolder.Save(_folder.File("model"), model);
        var path = _folder.File("model/config.json");
        var text = File.ReadAllText(path);
        File.WriteAllText(path, text.Replace("  \"architecture\": \"masked-lm\",\n", "", StringComparison.Ordinal));

        File.ReadAllText(path).ShouldNotBe(text);
        ModelFolder.Describe(_folder.File("model")).ShouldBe(new ModelDescription(ModelKind.MaskedLanguage, model.Config));
    }

    [Fact]
    public void A_folder_that_is_not_there_says_what_a_model_folder_holds() =>
        Should.Throw<ModelFormatException>(() => ModelFolder.Load(_folder.File("nothing"))).Message.ShouldContain("model.safetensors");

    [Theory]
    [InlineData("\"hidden_size\": 24", "\"hidden_size\": \"24\"", "hidden_size is \"24\"")]
    [InlineData("\"hidden_size\": 24", "\"hidden_size\": 25", "multiple of Heads")]
    [InlineData("\"hidden_size\": 24", "\"hidden_size\": 1.5", "hidden_size is 1.5")]
    [InlineData("\"hidden_size\": 24,", "", "hidden_size is missing")]
    [InlineData("\"sharing\": \"layerwise\"", "\"sharing\": \"all\"", "allowed are none, headwise, key-value, layerwise")]
    [InlineData("\"model_type\": \"linformer\"", "\"model_type\": \"bert\"", "model_type is 'bert'")]
    [InlineData("\"model_type\": \"linformer\"", "\"model_type\": \"\\ud800\"", "config.json")]
    [InlineData("\"hidden_size\": 24", "\"hidden_siz\\ud800\": 24", "config.json")]
    [InlineData("\"architecture\": \"masked-lm\"", "\"architecture\": \"oracle\"", "allowed are masked-lm, causal-lm, classification, sequence-to-sequence")]
    [InlineData("\"architecture\": \"masked-lm\"", "\"architecture\": \"causal-lm\"", "the model is for causal-lm; one for masked-lm is needed")]
    [InlineData("{", "[", "config.json")]
    [InlineData("\"num_attention_heads\": 3", "\"num_attention_heads\": 3, \"num_attention_heads\": 3", "config.json")]
    public void A_bad_config_names_file_field_and_value(string text, string replacement, string expected)
    {
        using var model = ModelVariants.Build(ModelVariants.Config());
        ModelFolder.Save(_folder.File("model"), model);
        var path = _folder.File("model/config.json");
        File.WriteAllText(path, File.ReadAllText(path).Replace(text, replacement, StringComparison.Ordinal));

        var message = Should.Throw<ModelFormatException>(() => ModelFolder.Load(_folder.File("model"))).Message;

        message.ShouldContain(expected);
        message.ShouldContain("config.json");
    }

    [Theory]
    [InlineData("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 2147483647")]
    [InlineData("\"intermediate_size\": 40", "\"intermediate_size\": 2147483647")]
    [InlineData("\"max_position_embeddings\": 16", "\"max_position_embeddings\": 2147483647")]
    [InlineData("\"vocab_size\": 37", "\"vocab_size\": 2147483647")]
    public void A_model_that_its_weights_cannot_fill_takes_no_memory(string text, string replacement)
    {
        using var model = ModelVariants.Build(ModelVariants.Config());
        ModelFolder.Save(_folder.File("model"), model);
        var path = _folder.File("model/config.json");
        File.WriteAllText(path, File.ReadAllText(path).Replace(text, replacement, StringComparison.Ordinal));

        Should.Throw<ModelFormatException>(() => ModelFolder.Load(_folder.File("model"))).Message.ShouldContain("and the model that config.json describes has at least");
    }

    [Theory]
    [InlineData(ProjectionSharing.None, AttentionKind.Linear)]
    [InlineData(ProjectionSharing.Headwise, AttentionKind.Linear)]
    [InlineData(ProjectionSharing.KeyValue, AttentionKind.Linear)]
    [InlineData(ProjectionSharing.Layerwise, AttentionKind.Linear)]
    [InlineData(ProjectionSharing.Layerwise, AttentionKind.Full)]
    public void The_elements_of_matrices_are_those_of_the_encoder(ProjectionSharing sharing, AttentionKind attention)
    {
        using var model = ModelVariants.Build(ModelVariants.Config(sharing, attention: attention));
        var matrices = model.Encoder.named_parameters().Where(p => p.parameter.dim() >= 2).Sum(p => p.parameter.numel());
        ((long)model.Config.MatrixElements).ShouldBe(matrices);
    }

    [Fact]
    public void Weights_of_another_shape_are_refused()
    {
        using var model = ModelVariants.Build(ModelVariants.Config());
        using var other = ModelVariants.Build(ModelVariants.Config() with { VocabularySize = 38 });
        ModelFolder.Save(_folder.File("model"), model);
        ModelFolder.Save(_folder.File("other"), other);
        File.Copy(_folder.File("other/model.safetensors"), _folder.File("model/model.safetensors"), overwrite: true);

        Should.Throw<ModelFormatException>(() => ModelFolder.Load(_folder.File("model"))).Message.ShouldContain("[38]");
    }

    [Fact]
    public void Truncated_weights_are_refused()
    {
        using var model = ModelVariants.Build(ModelVariants.Config());
        ModelFolder.Save(_folder.File("model"), model);
        using (var file = new FileStream(_folder.File("model/model.safetensors"), FileMode.Open))
        {
            file.SetLength(file.Length - 5);
        }

        Should.Throw<SafeTensorsException>(() => ModelFolder.Load(_folder.File("model"))).Message.ShouldContain("model.safetensors");
    }
}
