using System.Text;
using Linformer.Data;
using Linformer.Data.Labelled;
using Linformer.Data.Tokenizers;
using Linformer.Model;
using Linformer.Model.Decoding;
using Linformer.Model.Generation;
using Linformer.Model.Layers;
using Linformer.Training.Tasks;
using Linformer.Training.Tests.Checkpoints;
using static TorchSharp.torch;

namespace Linformer.Training.Tests.Tasks;

public sealed class SequenceToSequenceTaskTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly List<(string Source, string Target)> _written = [];
    private readonly ITokenizer _tokenizer;
    private readonly PairDataset _pairs;

    public SequenceToSequenceTaskTests()
    {
        var table = new StringBuilder("en\tde\n");
        string[] words = ["owl", "glass", "river", "sea"];
        var random = new Random(3);
        for (var i = 0; i < 80; i++)
        {
            var source = string.Join(' ', Enumerable.Range(0, random.Next(1, 4)).Select(_ => words[random.Next(words.Length)]));
            var target = string.Join(' ', source.Split(' ').Reverse());
            _written.Add((source, target));
            table.Append(source).Append('\t').Append(target).Append('\n');
        }

        File.WriteAllText(Path.Combine(_folder.Root, "pairs.tsv"), table.ToString());
        var settings = new CorpusSettings
        {
            Files = ["pairs.tsv"],
            VocabularySize = 300,
            Examples = new ExampleLayout { Format = ExampleFormat.Table, Text = "en", Label = "de" },
        };
        var prepared = CorpusPreparation.Prepare(settings, _folder.Root, Path.Combine(_folder.Root, "cache"));
        _tokenizer = prepared.Tokenizer;
        _pairs = PairDataset.Open(prepared.Folder, _tokenizer, heldOut: 0.25);
    }

    public void Dispose()
    {
        _pairs.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void Every_pair_is_on_one_side_and_equal_sources_are_on_the_same()
    {
        var (training, heldOut) = (All(_pairs.Training), All(_pairs.HeldOut));
        training.Concat(heldOut).Order().ShouldBe(_written.Order());
        heldOut.ShouldNotBeEmpty();
        training.Select(pair => pair.Source).Intersect(heldOut.Select(pair => pair.Source)).ShouldBeEmpty();
    }

    [Fact]
    public void The_loss_is_that_of_each_token_of_a_target_given_its_source_and_those_before_it_alone()
    {
        using var model = Model(ScalarType.Float64);
        model.eval();
        using var task = Task(model);
        using var scope = NewDisposeScope();
        var count = (int)_pairs.HeldOut.Count;
        var together = task.HeldOutLoss(0, count);
        var expected = 0.0;
        var predicted = 0L;
        for (var i = 0; i < count; i++)
        {
            var (source, target) = _pairs.HeldOut.Read(i);
            expected += Expected(model, source, target);
            predicted += target.Length + 1;
        }

        together.Sum!.item<double>().ShouldBe(expected, 1e-8);
        together.Predicted.ShouldBe(predicted);
    }

    [Fact]
    public void Every_parameter_gets_a_gradient_and_is_in_at_most_one_group()
    {
        using var model = Model(ScalarType.Float32);
        using var task = Task(model);
        task.TrainingLoss(0, 8).Sum!.backward();
        foreach (var (name, parameter) in model.named_parameters())
        {
            parameter.grad.ShouldNotBeNull(name);
        }

        var grouped = task.GradientOrder.SelectMany(group => group).ToArray();
        grouped.ShouldBeUnique();
        grouped.ShouldBeSubsetOf(model.named_parameters().Select(parameter => parameter.name));
        task.GradientOrder.ShouldAllBe(group => group.Count > 0);
    }

    [Fact]
    public void Exact_targets_are_counted_as_they_are_generated_one_by_one()
    {
        using var model = Model(ScalarType.Float32);
        using var task = Task(model);
        model.train();
        var statistics = new double[task.StatisticsLength];
        using var scope = NewDisposeScope();
        var count = (int)_pairs.HeldOut.Count;
        task.HeldOutLoss(0, count, statistics);
        model.training.ShouldBeTrue();
        model.eval();
        var exact = 0;
        for (var i = 0; i < count; i++)
        {
            var (source, target) = _pairs.HeldOut.Read(i);
            using var read = model.Read(tensor(source.Append(_pairs.Mark).Select(token => (long)token).ToArray(), [1, source.Length + 1]), null);
            var options = new GenerationOptions { EndToken = _pairs.Mark, MaximumTokens = model.Config.SequenceLength };
            exact += SequenceGenerator.Generate(read, [[_pairs.Mark]], options)[0].Tokens.SequenceEqual(target) ? 1 : 0;
        }

        var measures = task.Measures(statistics);
        measures[SequenceToSequenceTask.ExactMatch].ShouldBe((double)exact / count);
        measures["bleu"].ShouldBeInRange(0, 100);
    }

    [Fact]
    public void Pairs_that_are_too_long_are_named()
    {
        using var model = Model(ScalarType.Float32, length: 3);
        Should.Throw<BadDataException>(() => Task(model)).Message.ShouldContain("with model.sequenceLength 3 source and target have at most 2");
    }

    // The prefix of each token by itself, so that nothing that comes later is there to be seen.
    private double Expected(SequenceToSequenceModel model, int[] source, int[] target)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        long[] read = [.. source.Select(token => (long)token), _pairs.Mark];
        long[] written = [_pairs.Mark, .. target.Select(token => (long)token)];
        var sum = 0.0;
        for (var i = 0; i <= target.Length; i++)
        {
            var next = i < target.Length ? target[i] : _pairs.Mark;
            var logits = model.call(tensor(read, [1, read.Length]), null, tensor(written[..(i + 1)], [1, i + 1]), null);
            sum -= logits[0].select(0, i).log_softmax(-1)[next].item<double>();
        }

        return sum;
    }

    private List<(string Source, string Target)> All(PairSet pairs) =>
        [.. Enumerable.Range(0, (int)pairs.Count).Select(i => pairs.Read(i)).Select(pair => (_tokenizer.DecodeText(pair.Source), _tokenizer.DecodeText(pair.Target)))];

    private SequenceToSequenceTask Task(SequenceToSequenceModel model) =>
        new(model, _pairs, _tokenizer, new SampleOrder(_pairs.Training.Count, seed: 5, shuffleBlock: 1));

    private SequenceToSequenceModel Model(ScalarType type, int length = 24)
    {
        var config = new LinformerConfig
        {
            VocabularySize = _tokenizer.VocabularySize,
            Layers = 1,
            DecoderLayers = 2,
            Heads = 2,
            Hidden = 16,
            FeedForward = 24,
            SequenceLength = length,
            ProjectedLength = Math.Min(length, 6),
            Causal = CausalKind.Segments,
            SegmentLength = 1,
            Dropout = 0,
        };
        var model = new SequenceToSequenceModel(config, new Placement(type));
        Initialization.Apply(model, seed: 5);
        return model;
    }
}
