using Linformer.Model;
using Linformer.Model.Decoding;
using Linformer.Model.Layers;
using Linformer.Training.Tasks;
using static TorchSharp.torch;

namespace Linformer.Training.Tests.Tasks;

public sealed class CausalLanguageTaskTests : IDisposable
{
    private const int N = SmallCorpus.SequenceLength;

    private readonly SmallCorpus _corpus = new();

    public void Dispose() => _corpus.Dispose();

    [Fact]
    public void The_loss_is_that_of_each_token_given_those_before_it_alone()
    {
        using var model = Model(ScalarType.Float64);
        model.eval();
        using var task = Task(model);
        _corpus.HeldOut.Tokens.ShouldNotBe(_corpus.HeldOut.Count * N, "the last sequence must be short");
        for (var sequence = 0L; sequence < _corpus.HeldOut.Count; sequence++)
        {
            ShouldBe(task.HeldOutLoss(sequence, 1), Expected(model, Tokens(_corpus.HeldOut, sequence)));
        }

        for (var sample = 0L; sample < _corpus.Training.Count + 3; sample++)
        {
            ShouldBe(task.TrainingLoss(sample, 1), Expected(model, Tokens(_corpus.Training, _corpus.Order.SequenceOf(sample))));
        }
    }

    [Fact]
    public void The_loss_of_a_micro_batch_is_the_sum_of_those_of_its_samples()
    {
        using var model = Model(ScalarType.Float64);
        model.eval();
        using var task = Task(model);
        var count = (int)_corpus.HeldOut.Count;
        using var scope = NewDisposeScope();
        var together = task.HeldOutLoss(0, count);
        var alone = Enumerable.Range(0, count).Select(sequence => task.HeldOutLoss(sequence, 1)).ToArray();
        together.Sum!.item<double>().ShouldBe(alone.Sum(loss => loss.Sum?.item<double>() ?? 0), 1e-9);
        together.Predicted.ShouldBe(alone.Sum(loss => loss.Predicted));
        together.Tokens.ShouldBe(_corpus.HeldOut.Tokens);
        task.HeldOutTargets().LongCount().ShouldBe(together.Predicted);
    }

    [Fact]
    public void Every_parameter_gets_a_gradient_and_is_in_at_most_one_group()
    {
        using var model = Model(ScalarType.Float32);
        using var task = Task(model);
        task.TrainingLoss(0, 4).Sum!.backward();
        foreach (var (name, parameter) in model.named_parameters())
        {
            parameter.grad.ShouldNotBeNull(name);
        }

        var grouped = task.GradientOrder.SelectMany(group => group).ToArray();
        grouped.ShouldBeUnique();
        grouped.ShouldBeSubsetOf(model.named_parameters().Select(parameter => parameter.name));
        task.GradientOrder.ShouldAllBe(group => group.Count > 0);
    }

    private static int[] Tokens(Linformer.Data.SequenceSet sequences, long sequence)
    {
        var tokens = new int[N];
        return tokens[..sequences.Read(sequence, tokens)];
    }

    // Each prefix by itself, so that nothing that comes later is there to be seen.
    private static (double Sum, int Predicted) Expected(CausalLanguageModel model, int[] tokens)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var sum = 0.0;
        for (var i = 1; i < tokens.Length; i++)
        {
            var ids = tensor(tokens[..i].Select(token => (long)token).ToArray(), [1, i]);
            sum -= model.call(ids, null)[0].select(0, i - 1).log_softmax(-1)[tokens[i]].item<double>();
        }

        return (sum, tokens.Length - 1);
    }

    private static void ShouldBe(MicroBatchLoss actual, (double Sum, int Predicted) expected)
    {
        actual.Predicted.ShouldBe(expected.Predicted);
        actual.Tokens.ShouldBe(expected.Predicted + 1);
        (actual.Sum?.item<double>() ?? 0).ShouldBe(expected.Sum, 1e-9);
    }

    private CausalLanguageTask Task(CausalLanguageModel model) => new(model, _corpus.Training, _corpus.HeldOut, _corpus.Tokenizer, _corpus.Order);

    private CausalLanguageModel Model(ScalarType type)
    {
        var config = new LinformerConfig
        {
            VocabularySize = _corpus.Tokenizer.VocabularySize,
            Layers = 2,
            Heads = 2,
            Hidden = 16,
            FeedForward = 24,
            SequenceLength = N,
            ProjectedLength = 4,
            Causal = CausalKind.Segments,
            SegmentLength = 4,
            Dropout = 0,
        };
        var model = new CausalLanguageModel(config, new Placement(type));
        Initialization.Apply(model, SmallCorpus.Seed);
        return model;
    }
}
