namespace Linformer.Protocol.Tests;

/// <summary>Each kind of mistake gives one error that names the field, the value and what is allowed.</summary>
public class JobFileErrorTests
{
    [Theory]
    // Unknown fields.
    [InlineData("model: { layer: 3 }", "model.layer", "is unknown; did you mean layers?")]
    [InlineData("model: { Heads: 3 }", "model.Heads", "is unknown; did you mean heads?")]
    [InlineData("steps: 3", "steps", "is unknown; did you mean training.steps?")]
    [InlineData("colour: red", "colour", "is unknown; allowed here: name, task,")]
    [InlineData("'a\\u001b[31m\tb': 1", "a\\u001b[31m\\u0009b", "is unknown; allowed here")]
    // Wrong types.
    [InlineData("training: { steps: '5' }", "training.steps", "'5' is a text in quotes; allowed: a whole number, 1 to 1,000,000,000")]
    [InlineData("training: { steps: 1.5 }", "training.steps", "'1.5' is not a whole number; allowed: a whole number, 1 to 1,000,000,000")]
    [InlineData("training: { steps: 1e3 }", "training.steps", "'1e3' is not a whole number")]
    [InlineData("training: { steps: 010 }", "training.steps", "'010' is not a whole number")]
    [InlineData("training: { steps: 0x10 }", "training.steps", "'0x10' is not a whole number")]
    [InlineData("training: { steps: true }", "training.steps", "'true' is not a whole number")]
    [InlineData("training: { steps: [1] }", "training.steps", "is a list; allowed: a whole number")]
    [InlineData("training: { steps: { a: 1 } }", "training.steps", "is a mapping of fields; allowed: a whole number")]
    [InlineData("training: { steps: }", "training.steps", "has no value; allowed: a whole number")]
    [InlineData("training: { steps: null }", "training.steps", "has no value; allowed: a whole number")]
    [InlineData("training: { learningRate: fast }", "training.learningRate", "'fast' is not a number; allowed: a number, above 0, at most 10")]
    [InlineData("training: { learningRate: '0.1' }", "training.learningRate", "'0.1' is a text in quotes")]
    [InlineData("training: 5", "training", "'5' is one value, not a mapping of fields; allowed are the fields: steps,")]
    [InlineData("training:", "training", "has no value, not a mapping")]
    [InlineData("initializeFrom: yes", "initializeFrom", "'yes' without quotes is not a text in YAML; put it in quotes")]
    [InlineData("initializeFrom: 12", "initializeFrom", "'12' without quotes is not a text in YAML; put it in quotes")]
    [InlineData("model: { gated: \"true\" }", "model.gated", "'true' is a text in quotes; allowed: true, false")]
    [InlineData("model: { gated: yes }", "model.gated", "'yes' is neither true nor false; allowed: true, false")]
    [InlineData("model: { feedForwards: 4 }", "model.feedForwards", "'4' is one value, not a list; allowed: a list of 1 to 1,000 whole numbers, 1 to 262,144")]
    [InlineData("model: { feedForwards: [4, 5, 6, 0] }", "model.feedForwards[3]", "0 is out of range")]
    [InlineData("model: { feedForwards: [4, 5] }", "model.feedForwards", "has 2 elements; allowed: one for each of model.layers, 4 (from preset linformer-small)")]
    [InlineData("model: { projectedLengths: [4, 5, 6, 7] }", "model.sharing", "'layerwise' (from preset linformer-small) has one projection for all blocks, which need one each with different projected lengths; allowed: none, headwise, key-value")]
    [InlineData("model: { projectedLengths: [4, 5, 6, 513], sharing: none }", "model.projectedLength", "513 is more than model.sequenceLength, 512")]
    [InlineData("model: { projectedLengths: [4, 4, 4, 4], projectedLengthStep: 1 }", "model.projectedLengthStep", "1 is neither 0 nor alone")]
    [InlineData("model: { projection: mean-pool, projectedLength: 100 }", "model.projectedLength", "100 does not divide model.sequenceLength, 512 (from preset linformer-small), as windows of n/k positions need; allowed are its divisors")]
    [InlineData("model: { projection: max-pool, projectedLengths: [4, 4, 4, 7] }", "model.projectedLength", "7 does not divide")]
    [InlineData("model: { keyValueHeads: 2 }", "model.keyValueHeads", "2 is neither 1 nor model.heads, 4 (from preset linformer-small); allowed are these two")]
    [InlineData("model: { projectionBias: true, projection: fixed }", "model.projectionBias", "true needs model.projection learned, which is 'fixed'")]
    [InlineData("model: { positions: sinusoidal, embedding: 33 }", "model.positions", "'sinusoidal' needs an even width of the embeddings, which is 33")]
    [InlineData("model: { reversible: true, normalization: post }", "model.reversible", "true needs model.normalization pre, which is 'post'")]
    [InlineData("model: { reversible: true, checkpointing: layer }", "model.reversible", "true needs model.checkpointing none, which is 'layer'")]
    [InlineData("training: { optimizer: { betas: 0.9 } }", "training.optimizer.betas", "'0.9' is one value, not a list; allowed: a list of 2 numbers")]
    [InlineData("training: { optimizer: { betas: [0.9] } }", "training.optimizer.betas", "has 1 elements; allowed: a list of 2 numbers")]
    [InlineData("training: { optimizer: { betas: [0.9, 1] } }", "training.optimizer.betas[1]", "1 is out of range; allowed: a list of 2 numbers, 0 or more, below 1")]
    // Out of range.
    [InlineData("training: { steps: 0 }", "training.steps", "0 is out of range; allowed: a whole number, 1 to 1,000,000,000")]
    [InlineData("training: { steps: -1 }", "training.steps", "-1 is out of range")]
    [InlineData("training: { steps: 99999999999999999999999999999999999999999 }", "training.steps", "99999999999999999999999999999999999999999 is out of range")]
    [InlineData("training: { seed: 9007199254740992 }", "training.seed", "9007199254740992 is out of range; allowed: a whole number, 0 to 9,007,199,254,740,991")]
    [InlineData("training: { learningRate: 0 }", "training.learningRate", "0 is out of range; allowed: a number, above 0, at most 10")]
    [InlineData("training: { learningRate: .nan }", "training.learningRate", "'.nan' is not finite")]
    [InlineData("training: { learningRate: -.inf }", "training.learningRate", "'-.inf' is not finite")]
    [InlineData("training: { learningRate: NaN }", "training.learningRate", "'NaN' is not finite")]
    [InlineData("training: { learningRate: 1e999 }", "training.learningRate", "1e999 is out of range")]
    [InlineData("model: { dropout: 1 }", "model.dropout", "1 is out of range; allowed: a number, 0 or more, below 1")]
    [InlineData("model: { sequenceLength: 7 }", "model.sequenceLength", "7 is out of range; allowed: a whole number, 8 to 1,048,576")]
    [InlineData("training: { maskProbability: 0 }", "training.maskProbability", "0 is out of range; allowed: a number, above 0, below 1")]
    [InlineData("priority: 1001", "priority", "1001 is out of range; allowed: a whole number, -1,000 to 1,000")]
    // Names and choices.
    [InlineData("model: { sharing: layer-wise }", "model.sharing", "'layer-wise' is unknown; did you mean layerwise? (allowed: none, headwise, key-value, layerwise)")]
    [InlineData("model: { sharing: 3 }", "model.sharing", "'3' is unknown; allowed: none, headwise, key-value, layerwise")]
    [InlineData("model: { preset: linformer-bse }", "model.preset", "'linformer-bse' is unknown; did you mean linformer-base? (allowed: linformer-tiny,")]
    [InlineData("device: gpu", "device", "'gpu' is unknown; allowed: auto, cpu, cuda")]
    [InlineData("training: { precision: fp16 }", "training.precision", "'fp16' is unknown; allowed: auto, fp32, bf16")]
    [InlineData("training: { microBatch: automatic }", "training.microBatch", "'automatic' is not a whole number; allowed: auto or a whole number, 1 to 65,536")]
    [InlineData("training: { microBatch: 0 }", "training.microBatch", "0 is out of range; allowed: auto or a whole number, 1 to 65,536")]
    [InlineData("training: { globalBatch: auto }", "training.globalBatch", "'auto' is not a whole number")]
    // Between fields.
    [InlineData("model: { heads: 3 }", "model.heads", "3 does not divide model.hidden, 256 (from preset linformer-small)")]
    [InlineData("model: { sequenceLength: 64 }", "model.projectedLength", "128 (from preset linformer-small) is more than model.sequenceLength, 64; allowed: 1 to 64")]
    [InlineData("training: { globalBatch: 12 }", "training.globalBatch", "12 is not a multiple of training.microBatch, 8 (the default)")]
    [InlineData("training: { steps: 50, warmupSteps: 51 }", "training.warmupSteps", "51 is more than training.steps, 50; allowed: 0 to 50")]
    [InlineData("training: { shardOptimizer: true, localSteps: 2 }", "training.shardOptimizer", "true does not go with training.localSteps, 2: ranks that take steps by themselves")]
    [InlineData("ranks: { min: 2, max: 1 }", "ranks.min", "2 is more than ranks.max, 1")]
    [InlineData("ranks: { max: 9 }", "ranks.max", "9 is more than the 8 micro-batches of a step")]
    [InlineData("training: { microBatch: auto, globalBatch: 4 }\nranks: { max: 5 }", "ranks.max", "5 is more than the 4 micro-batches of a step (training.globalBatch 4 / training.microBatch of at least 1); allowed: 1 to 4")]
    // Not available yet.
    [InlineData("task: sequence-to-sequence", "corpus.examples", "is missing; sequence-to-sequence learns from pairs")]
    [InlineData("model: { head: tied }", "model.head", "'tied' is unknown; allowed: transformed, linear")]
    [InlineData("task: causal-lm\nmodel: { head: linear }", "model.head", "'linear' is a head of masked-lm; allowed with 'causal-lm': transformed")]
    [InlineData("model: { causal: segments }", "model.causal", "'segments' is for the decoders of causal-lm and sequence-to-sequence; allowed with 'masked-lm' (the default): none")]
    [InlineData("task: causal-lm\nmodel: { sequenceLength: 512, segmentLength: 513 }", "model.segmentLength", "513 is more than model.sequenceLength, 512; allowed: 1 to 512")]
    [InlineData("task: causal-lm\nmodel: { sequenceLength: 512, crossProjectedLength: 600 }", "model.crossProjectedLength", "600 is more than model.sequenceLength, 512")]
    [InlineData("device: cuda", "device", "'cuda' is not available in this build")]
    // Duplicates.
    [InlineData("priority: 1\npriority: 1", "priority", "is given twice; the first is in line 3")]
    public void A_mistake_is_named(string extra, string path, string message)
    {
        var error = JobFileParser.Parse($"name: a\ncorpus: {{ files: [a.txt] }}\n{extra}\n", "job.yaml").Errors.ShouldHaveSingleItem();

        error.Path.ShouldBe(path);
        error.Message.ShouldStartWith(message);
        error.Line.ShouldNotBeNull();
        error.Column.ShouldNotBeNull();
    }

    [Theory]
    [InlineData("corpus: { files: [a] }", "name", "is missing; it takes 1 to 63 lower-case letters")]
    [InlineData("name: a", "corpus", "is missing; it needs corpus.files")]
    [InlineData("name: a\ncorpus: {}", "corpus.files", "is missing; it takes a list")]
    [InlineData("name: a\ncorpus: { files: [] }", "corpus.files", "has 0 elements; allowed: a list of 1 to 10,000")]
    [InlineData("name: a\ncorpus: { files: a.txt }", "corpus.files", "'a.txt' is one value, not a list")]
    [InlineData("name: a\ncorpus: { files: [[a]] }", "corpus.files[0]", "is a list; allowed: a list of")]
    [InlineData("name: a\ncorpus: { files: [a, /etc/passwd] }", "corpus.files[1]", "'/etc/passwd' is not relative to the storage root; allowed:")]
    [InlineData("name: a\ncorpus: { files: ['c:/a'] }", "corpus.files[0]", "'c:/a' is not relative")]
    [InlineData("name: a\ncorpus: { files: ['~/a'] }", "corpus.files[0]", "'~/a' is not relative")]
    [InlineData("name: a\ncorpus: { files: [a/../../b] }", "corpus.files[0]", "'a/../../b' leaves the storage root")]
    [InlineData("name: a\ncorpus: { files: [..] }", "corpus.files[0]", "'..' leaves the storage root")]
    [InlineData("name: a\ncorpus: { files: ['a\\b'] }", "corpus.files[0]", "'a\\b' has a backslash")]
    [InlineData("name: a\ncorpus: { files: [\"a\\0\"] }", "corpus.files[0]", "'a\\u0000' has a control character")]
    [InlineData("name: a\ncorpus: { files: [''] }", "corpus.files[0]", "'' is empty")]
    [InlineData("name: a\ncorpus: { files: [a//b] }", "corpus.files[0]", "'a//b' has an empty segment")]
    [InlineData("name: a\ncorpus: { files: [a], tokenizer: { file: t, kind: byte-bpe } }", "corpus.tokenizer.file", "'t' is given together with kind")]
    [InlineData("name: a\ncorpus: { files: [a], tokenizer: { file: ../t } }", "corpus.tokenizer.file", "'../t' leaves the storage root")]
    [InlineData("name: a\ncorpus: { files: [a], tokenizer: { vocabularySize: 260 } }", "corpus.tokenizer.vocabularySize", "260 is out of range; allowed: a whole number, 261 to")]
    [InlineData("name: -a\ncorpus: { files: [a] }", "name", "'-a' is not a name; allowed: 1 to 63 lower-case letters")]
    [InlineData("name: a.b\ncorpus: { files: [a] }", "name", "'a.b' is not a name")]
    [InlineData("name: 1\ncorpus: { files: [a] }", "name", "'1' without quotes is not a text")]
    [InlineData("name: \"a\\n\"\ncorpus: { files: [a] }", "name", "'a\\u000a' is not a name")]
    public void A_mistake_in_what_is_required_is_named(string text, string path, string message)
    {
        var error = JobFileParser.Parse(text, "job.yaml").Errors.ShouldHaveSingleItem();

        error.Path.ShouldBe(path);
        error.Message.ShouldStartWith(message);
    }

    [Fact]
    public void Names_are_at_most_63_characters_long()
    {
        Parse(new string('a', 63)).Errors.ShouldBeEmpty();
        Parse(new string('a', 64)).Errors.ShouldHaveSingleItem().Path.ShouldBe("name");

        static JobFileResult Parse(string name) => JobFileParser.Parse($"name: {name}\ncorpus: {{ files: [a] }}", "job.yaml");
    }

    [Fact]
    public void Full_attention_does_without_the_rule_on_the_projected_length() =>
        JobFileParser.Parse("name: a\ncorpus: { files: [a] }\nmodel: { sequenceLength: 64, attention: full }", "job.yaml").Errors.ShouldBeEmpty();

    [Fact]
    public void A_build_for_gpus_takes_cuda() =>
        JobFileParser.Parse("name: a\ncorpus: { files: [a] }\ndevice: cuda", "job.yaml", cuda: true).OrThrow().Device.ShouldBe(DeviceKind.Cuda);
}
