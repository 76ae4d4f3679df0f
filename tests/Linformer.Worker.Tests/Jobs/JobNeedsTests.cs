using System.Diagnostics;
using System.Globalization;
using FsCheck;
using FsCheck.Fluent;
using Linformer.Model;
using Linformer.Model.Classification;
using Linformer.Model.Decoding;
using Linformer.Protocol;
using Linformer.Worker.Jobs;

namespace Linformer.Worker.Tests.Jobs;

/// <summary>What <see cref="JobNeeds"/> says, compared with models that are built and run.</summary>
public class JobNeedsTests
{
    [Fact]
    public void The_parameters_are_those_of_the_model()
    {
        Prop.ForAll(Shapes().ToArbitrary(), shape =>
        {
            var job = Job(shape.Model);
            using var model = new MaskedLanguageModel(JobMapping.ModelConfig(job, shape.Vocabulary));

            JobNeeds.Of(job, shape.Vocabulary).Parameters.ShouldBe(model.parameters().Where(parameter => parameter.requires_grad).Sum(parameter => parameter.numel()), shape.Model);
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(150));
    }

    [Fact]
    public void The_parameters_are_those_of_the_model_of_every_task()
    {
        Prop.ForAll(TaskShapes().ToArbitrary(), shape =>
        {
            var job = Job(shape.Model, task: shape.Task, examples: shape.Examples);
            using var model = Model(job, shape.Vocabulary, shape.Outputs);

            JobNeeds.Of(job, shape.Vocabulary).Parameters.ShouldBe(model.parameters().Sum(parameter => parameter.numel()), $"{shape.Task} {shape.Model}");
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(150));
    }

    [Fact]
    public void A_longer_context_of_segments_takes_as_many_operations_a_token_and_full_attention_more()
    {
        const string Model = "layers: 2, heads: 2, hidden: 64, feedForward: 128, projectedLength: 64, segmentLength: 64, sequenceLength: ";
        double PerToken(string more) => JobNeeds.Of(Job(Model + more, task: "causal-lm"), 100) is var needs ? needs.OperationsPerStep / needs.TokensPerStep : 0;

        (PerToken("16384") / PerToken("4096")).ShouldBeInRange(0.9, 1.1);
        (PerToken("16384, attention: full") / PerToken("4096, attention: full")).ShouldBeGreaterThan(3);
        JobNeeds.Of(Job(Model + "16384", task: "causal-lm"), 100).FullAttentionRatio.ShouldBe(PerToken("16384, attention: full") / PerToken("16384"), 1e-9);
    }

    [Fact]
    public void A_classification_takes_no_operations_for_a_vocabulary_and_a_decoder_takes_them_at_every_token()
    {
        const string Model = "layers: 1, heads: 2, hidden: 32, feedForward: 64, sequenceLength: 64, projectedLength: 16";
        double More(string task) => JobNeeds.Of(Job(Model, task: task), 2000).OperationsPerMicroBatch - JobNeeds.Of(Job(Model, task: task), 1000).OperationsPerMicroBatch;

        More("classification").ShouldBe(0);
        // 64 tokens, width 32, two operations a multiply-add, the backward pass twice the forward's.
        More("causal-lm").ShouldBe(64 * 32 * 1000 * 6.0);
        More("sequence-to-sequence").ShouldBe(64 * 32 * 1000 * 6.0);
    }

    [Fact]
    public void Texts_of_any_length_are_said_to_be_taken_for_the_longest()
    {
        const string Model = "layers: 1, heads: 2, hidden: 32, feedForward: 64, sequenceLength: 64, projectedLength: 16";

        JobNeeds.Assumptions(Job(Model)).ShouldBeEmpty();
        JobNeeds.Assumptions(Job(Model, task: "causal-lm")).ShouldBeEmpty();
        JobNeeds.Assumptions(Job(Model, task: "sequence-to-sequence")).ShouldHaveSingleItem().ShouldContain("64 tokens");
        JobNeeds.Assumptions(Job(Model, task: "classification")).Count.ShouldBe(2);
        JobNeeds.Assumptions(Job(Model, task: "classification", examples: "{ classes: [a, b] }")).Count.ShouldBe(1);
        JobNeeds.Of(Job(Model, task: "sequence-to-sequence"), 100).TokensPerStep.ShouldBe(2 * JobNeeds.Of(Job(Model), 100).TokensPerStep);
    }

    // What is freed and taken anew, and what libraries take for a moment, is not in the formula; neither is what they reuse.
    [Theory]
    [Trait("Lane", "Processes")]
    [InlineData("layers: 4, heads: 4, hidden: 256, feedForward: 1024, sequenceLength: 512, projectedLength: 128", 4, 8192)]
    [InlineData("layers: 2, heads: 8, hidden: 128, feedForward: 512, sequenceLength: 1024, projectedLength: 64, dropout: 0.0", 4, 1024)]
    [InlineData("layers: 2, heads: 4, hidden: 64, feedForward: 256, sequenceLength: 1024, projectedLength: 64, attention: full", 2, 512)]
    [InlineData("layers: 3, heads: 4, hidden: 128, feedForward: 256, sequenceLength: 512, projectedLength: 128, sharing: none", 4, 512)]
    [InlineData("layers: 1, heads: 2, hidden: 64, feedForward: 128, sequenceLength: 256, projectedLength: 32", 4, 60000)]
    [InlineData("layers: 1, heads: 2, hidden: 64, feedForward: 128, sequenceLength: 256, projectedLength: 32, head: linear", 4, 60000)]
    [InlineData("layers: 10, heads: 4, hidden: 128, feedForward: 512, sequenceLength: 1024, projectedLength: 64, reversible: true", 4, 512)]
    [InlineData("layers: 8, heads: 4, hidden: 128, feedForward: 512, sequenceLength: 1024, projectedLength: 64, checkpointing: layer", 4, 512)]
    [InlineData("layers: 4, heads: 8, hidden: 64, feedForward: 128, sequenceLength: 1024, projectedLength: 256, checkpointing: head", 4, 512)]
    [InlineData("layers: 4, heads: 4, hidden: 128, feedForward: 512, sequenceLength: 1024, projectedLength: 64, projection: convolution, gated: true", 4, 512)]
    [InlineData("layers: 4, heads: 8, hidden: 128, feedForward: 256, sequenceLength: 1024, projectedLength: 128, projection: max-pool, keyValueHeads: 1, embedding: 64", 4, 512)]
    [InlineData("layers: 4, heads: 4, hidden: 128, feedForward: 512, sequenceLength: 1024, projectedLength: 64", 4, 512, "causal-lm")]
    [InlineData("layers: 2, heads: 8, hidden: 128, feedForward: 256, sequenceLength: 1024, projectedLength: 128, segmentLength: 32, sharing: none, dropout: 0.0", 4, 512, "causal-lm")]
    [InlineData("layers: 2, heads: 4, hidden: 64, feedForward: 256, sequenceLength: 1024, projectedLength: 64, attention: full", 2, 512, "causal-lm")]
    [InlineData("layers: 2, heads: 2, hidden: 64, feedForward: 128, sequenceLength: 256, projectedLength: 32", 4, 30000, "causal-lm")]
    [InlineData("layers: 4, heads: 4, hidden: 128, feedForward: 512, sequenceLength: 1024, projectedLength: 64", 4, 512, "classification")]
    [InlineData("layers: 2, heads: 4, hidden: 64, feedForward: 256, sequenceLength: 1024, projectedLength: 64, attention: full", 2, 512, "classification")]
    [InlineData("layers: 1, heads: 2, hidden: 128, feedForward: 128, sequenceLength: 64, projectedLength: 16", 4, 120000, "classification")]
    [InlineData("layers: 3, heads: 4, hidden: 128, feedForward: 512, sequenceLength: 512, projectedLength: 64, decoderLayers: 4, crossProjectedLength: 96", 4, 512, "sequence-to-sequence")]
    [InlineData("layers: 2, heads: 4, hidden: 64, feedForward: 128, sequenceLength: 512, projectedLength: 64, sharing: headwise", 4, 8192, "sequence-to-sequence")]
    [InlineData("layers: 2, heads: 4, hidden: 64, feedForward: 128, sequenceLength: 512, projectedLength: 64, attention: full", 2, 512, "sequence-to-sequence")]
    public async Task The_memory_of_a_micro_batch_is_about_what_a_process_takes(string model, int microBatch, int vocabulary, string task = "masked-lm")
    {
        var job = Job(model, microBatch, task);
        var needs = JobNeeds.Of(job, vocabulary);

        var (parameters, bare, activations) = await MeasureAsync(job, vocabulary);

        parameters.ShouldBe(needs.Parameters);
        ((double)activations / needs.ActivationBytes).ShouldBeInRange(1 / 1.3, 1.3, $"{activations:#,0} of {needs.ActivationBytes:#,0}");
        ((double)bare / JobNeeds.BareProcessBytes).ShouldBeInRange(1 / 1.5, 1.5, $"{bare:#,0} of {JobNeeds.BareProcessBytes:#,0}");
    }

    // What the allocator keeps of what is freed grows a little.
    [Fact]
    [Trait("Lane", "Processes")]
    public async Task The_memory_of_reversible_layers_does_not_grow_with_their_number()
    {
        const string Model = "heads: 4, hidden: 128, feedForward: 512, sequenceLength: 1024, projectedLength: 64, layers: ";
        var (_, _, plain) = await MeasureAsync(Job(Model + "16", 4), 512);
        var (_, _, few) = await MeasureAsync(Job(Model + "4, reversible: true", 4), 512);
        var (_, _, many) = await MeasureAsync(Job(Model + "16, reversible: true", 4), 512);

        ((double)many / few).ShouldBeLessThan(1.5);
        ((double)plain / many).ShouldBeGreaterThan(3);
    }

    private static async Task<(long Parameters, long Bare, long Activations)> MeasureAsync(JobFile job, int vocabulary)
    {
        var start = new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "Linformer.Worker.TestRank"))
        {
            ArgumentList = { "memory", job.ToJson(), vocabulary.ToString(CultureInfo.InvariantCulture) },
            Environment =
            {
                ["OMP_NUM_THREADS"] = "1",
                ["OPENBLAS_NUM_THREADS"] = "1",
                // The allocator of ranks: what glibc's keeps of freed memory differs from run to run.
                ["LD_PRELOAD"] = Directory.EnumerateFiles("/usr/lib", "libjemalloc.so.2", SearchOption.AllDirectories).First(),
                ["MALLOC_CONF"] = "oversize_threshold:0,thp:always,dirty_decay_ms:30000,muzzy_decay_ms:0",
            },
            RedirectStandardOutput = true,
            UseShellExecute = false,
        };
        using var process = Process.Start(start)!;
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        process.ExitCode.ShouldBe(0);
        var numbers = Array.ConvertAll(output.Split(' '), number => long.Parse(number, CultureInfo.InvariantCulture));
        return (numbers[0], numbers[1], numbers[2]);
    }

    private static JobFile Job(string model, int microBatch = 1, string task = "masked-lm", string? examples = null) => JobFileParser.Parse(
        $$"""{ name: a, task: {{task}}, corpus: { files: [a.txt]{{(task is "masked-lm" or "causal-lm" ? "" : $", examples: {examples ?? "{}"}")}} }, model: { {{model}} }, training: { globalBatch: {{microBatch}}, microBatch: {{microBatch}} } }""", "job.yaml").OrThrow();

    private static TorchSharp.torch.nn.Module Model(JobFile job, int vocabulary, int outputs) => job.Task switch
    {
        JobTask.CausalLm => new CausalLanguageModel(JobMapping.DecoderConfig(job, vocabulary)),
        JobTask.SequenceToSequence => new SequenceToSequenceModel(JobMapping.DecoderConfig(job, vocabulary)),
        _ => new ClassificationModel(JobMapping.ModelConfig(job, vocabulary), JobMapping.ClassificationHead(job, outputs == 1 ? [] : [.. Enumerable.Range(0, outputs).Select(i => $"{i}")])),
    };

    // Of decoders, what they can be built with.
    private static Gen<(string Task, string Model, string Examples, int Outputs, int Vocabulary)> TaskShapes() =>
        from task in Gen.Elements("causal-lm", "sequence-to-sequence", "classification")
        from sharing in Gen.Elements("none", "headwise", "key-value", "layerwise")
        from attention in Gen.Elements("linear", "linear", "full")
        from causal in task == "classification" ? Gen.Constant("none") : Gen.Elements("none", "segments", "mask-map")
        from normalization in Gen.Elements("pre", "post")
        from layers in Gen.Choose(1, 3)
        from heads in Gen.Choose(1, 4)
        from size in Gen.Choose(1, 9)
        from feedForward in Gen.Choose(1, 40)
        from n in Gen.Choose(8, 300)
        from k in Gen.Choose(1, 8)
        from segment in Gen.Choose(1, 8)
        from more in Gen.SubListOf("decoderLayers: 2", "crossProjectedLength: 3", $"segmentLength: {segment}")
        from outputs in Gen.Choose(1, 5)
        from vocabulary in Gen.Choose(1, 300)
        let fields = task == "classification" ? Enumerable.Empty<string>() : task == "causal-lm" ? more.Where(field => field.StartsWith("segment", StringComparison.Ordinal)) : more
        let examples = task != "classification" ? "{}" : outputs == 1 ? "{ target: number }" : $"{{ classes: [{string.Join(", ", Enumerable.Range(0, outputs).Select(i => $"'{i}'"))}] }}"
        select (task, $"sharing: {sharing}, attention: {attention}, causal: {causal}, normalization: {normalization}, layers: {layers}, heads: {heads}, hidden: {heads * size}, feedForward: {feedForward}, sequenceLength: {n}, projectedLength: {k}{string.Concat(fields.Select(field => ", " + field))}", examples, outputs, vocabulary);

    private static Gen<(string Model, int Vocabulary)> Shapes() =>
        from sharing in Gen.Elements("none", "headwise", "key-value", "layerwise")
        from attention in Gen.Elements("linear", "linear", "full")
        from normalization in Gen.Elements("pre", "post")
        from layers in Gen.Choose(1, 4)
        from heads in Gen.Choose(1, 4)
        from size in Gen.Choose(1, 9)
        from feedForward in Gen.Choose(1, 40)
        from n in Gen.Choose(8, 40)
        from k in Gen.Choose(1, 8)
        from projection in Gen.Elements("learned", "learned", "convolution", "mean-pool", "max-pool", "fixed")
        from more in Gen.SubListOf(
            "trainProjection: false", "keyValueHeads: 1", "headSize: 5", "shareKeyValue: true", "attentionBias: false", "embedding: 6", "embedding: 6, positions: sinusoidal",
            "gated: true", "outerNorm: false", "head: linear", "activation: relu", $"feedForwards: [{string.Join(", ", Enumerable.Range(1, layers))}]")
        where more.Count(field => field.StartsWith("embedding", StringComparison.Ordinal)) < 2
        let length = projection is "learned" or "fixed" ? n : n * k
        from vocabulary in Gen.Choose(1, 300)
        select ($"sharing: {sharing}, attention: {attention}, normalization: {normalization}, layers: {layers}, heads: {heads}, hidden: {heads * size}, feedForward: {feedForward}, sequenceLength: {length}, projectedLength: {k}, projection: {projection}, {string.Join(", ", more.Append($"projectionBias: {(projection == "learned" ? "true" : "false")}"))}", vocabulary);
}
