using Linformer.Data;
using Linformer.Model;
using Linformer.Model.Kernels;
using Linformer.Training.Tasks;
using static TorchSharp.torch;

namespace Linformer.Training.Tests.Tasks;

[Collection(nameof(Alone))]
public sealed class MaskedLanguageTaskTests : IDisposable
{
    private const int N = SmallCorpus.SequenceLength;

    private readonly SmallCorpus _corpus = new();

    private delegate int Mask(long number, ReadOnlySpan<int> tokens, int count, Span<int> inputs, Span<int> positions, Span<int> targets);

    public void Dispose() => _corpus.Dispose();

    [Fact]
    public void The_loss_of_a_held_out_sequence_is_that_of_the_model_on_it_alone_without_padding()
    {
        using var model = _corpus.Model(ScalarType.Float64);
        model.eval();
        var task = _corpus.Task(model);
        var masker = _corpus.Masker();
        ShouldHaveTail(_corpus.HeldOut);
        for (var sequence = 0L; sequence < _corpus.HeldOut.Count; sequence++)
        {
            using var scope = NewDisposeScope();
            ShouldBe(task.HeldOutLoss(sequence, 1), Expected(model, _corpus.HeldOut, sequence, sequence, masker.MaskForEvaluation));
        }
    }

    [Fact]
    public void Kernels_tell_of_every_gradient_once_group_by_group_as_they_are_laid_out()
    {
        using var model = _corpus.Model();
        using var fused = new FusedLanguageModel(model, Precision.Float32);
        var order = _corpus.Task(model).GradientOrder;
        order.Count.ShouldBe(1 + model.Config.Layers);
        using var flat = new FlatParameters(model, trailer: 0, order);
        var told = new List<Tensor>();
        fused.GradientsReady = told.AddRange;
        using var ids = zeros([2, N], dtype: ScalarType.Int64);
        using var positions = tensor(new[] { 1L, 5 });
        using var loss = fused.LossAt(ids, attentionMask: null, positions, targets: positions);
        loss.backward();

        // By reference: that is how the trainer finds them.
        told.Count.ShouldBe(flat.Tensors.Count);
        told.ToHashSet<object>(ReferenceEqualityComparer.Instance).SetEquals(flat.Tensors).ShouldBeTrue();
        var groups = told.Select(parameter =>
        {
            var name = flat.Slices[Enumerable.Range(0, told.Count).Single(i => ReferenceEquals(flat.Tensors[i], parameter))].Name;
            return Enumerable.Range(0, order.Count).FirstOrDefault(group => order[group].Contains(name), order.Count);
        });
        groups.Where(group => group < order.Count).ShouldBeInOrder();
    }

    [Fact]
    public void The_loss_of_a_sample_is_that_of_its_sequence_in_the_order_masked_by_the_sample_s_number()
    {
        using var model = _corpus.Model(ScalarType.Float64);
        model.eval();
        var task = _corpus.Task(model);
        var masker = _corpus.Masker();
        ShouldHaveTail(_corpus.Training);

        // All of the first epoch, the tail among it, and some of the second.
        for (var sample = 0L; sample < _corpus.Training.Count + 10; sample++)
        {
            using var scope = NewDisposeScope();
            var sequence = _corpus.Order.SequenceOf(sample);
            ShouldBe(task.TrainingLoss(sample, 1), Expected(model, _corpus.Training, sequence, sample, masker.Mask));
        }
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(1000)]
    public void The_loss_of_a_micro_batch_is_the_sum_of_those_of_its_samples(int size)
    {
        using var model = _corpus.Model(ScalarType.Float64);
        model.eval();
        var task = _corpus.Task(model);
        var samples = _corpus.Training.Count + 5;
        for (var first = 0L; first < samples; first += size)
        {
            var count = (int)Math.Min(size, samples - first);
            ShouldBeSum(task.TrainingLoss(first, count), first, count, task.TrainingLoss);
        }

        for (var first = 0L; first < task.HeldOutSequences; first += size)
        {
            var count = (int)Math.Min(size, task.HeldOutSequences - first);
            ShouldBeSum(task.HeldOutLoss(first, count), first, count, task.HeldOutLoss);
        }
    }

    // A model whose logits are the same everywhere: its loss tells which tokens were asked for, and how often.
    [Fact]
    public void The_held_out_targets_are_those_that_the_held_out_loss_asks_for()
    {
        using var model = _corpus.Model(ScalarType.Float64);
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        foreach (var parameter in model.parameters())
        {
            parameter.zero_();
        }

        var random = new Random(1);
        var bias = Enumerable.Range(0, _corpus.Tokenizer.VocabularySize).Select(_ => random.NextDouble()).ToArray();
        model.get_parameter("head_bias")!.copy_(tensor(bias));
        var task = _corpus.Task(model);
        var targets = task.HeldOutTargets().ToArray();
        var loss = task.HeldOutLoss(0, (int)task.HeldOutSequences);
        loss.Predicted.ShouldBe(targets.Length);
        targets.Length.ShouldBeGreaterThan(50);
        var logSum = Math.Log(bias.Sum(Math.Exp));
        loss.Sum!.item<double>().ShouldBe(targets.Sum(target => logSum - bias[target]), 1e-9);
        targets.ShouldNotContain(target => _corpus.Tokenizer.Special.Contains(target));
        task.HeldOutTargets().ShouldBe(targets, "asking again changes nothing");
    }

    [Fact]
    public void What_is_announced_changes_no_loss_and_what_is_asked_for_instead_is_right()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var model = _corpus.Model();
        model.eval();
        using var task = _corpus.Task(model);
        var alone = _corpus.Task(model);
        var random = new Random(2);
        for (var i = 0; i < 200; i++)
        {
            var first = random.Next((int)_corpus.Training.Count * 2);
            var count = random.Next(1, 4);
            var loss = task.TrainingLoss(first, count);
            var expected = alone.TrainingLoss(first, count);
            (loss.Predicted, loss.Tokens, loss.Sum?.item<float>()).ShouldBe((expected.Predicted, expected.Tokens, expected.Sum?.item<float>()));

            // As often as not something else follows.
            task.Upcoming(first + count, count);
            if (random.Next(2) == 0)
            {
                loss = task.TrainingLoss(first + count, count);
                expected = alone.TrainingLoss(first + count, count);
                (loss.Predicted, loss.Tokens, loss.Sum?.item<float>()).ShouldBe((expected.Predicted, expected.Tokens, expected.Sum?.item<float>()));
            }
        }
    }

    [Fact]
    public void A_shard_that_is_damaged_meanwhile_is_told_to_the_thread_that_trains()
    {
        using var scope = NewDisposeScope();
        using var task = _corpus.Task(_corpus.Model());
        task.TrainingLoss(0, 2).Predicted.ShouldBeGreaterThan(0);
        _corpus.CutOff();
        task.Upcoming(2, 2);
        Should.Throw<BadDataException>(() => task.TrainingLoss(2, 2)).Message.ShouldContain("it was cut off");
        Should.Throw<BadDataException>(() => task.TrainingLoss(4, 2)).Message.ShouldContain("it was cut off");
    }

    [Fact]
    public void Tensors_of_a_batch_outlive_it_and_later_batches_do_not_touch_them()
    {
        using var scope = NewDisposeScope();
        var masker = _corpus.Masker();
        var reader = new MaskedBatchReader(_corpus.Training, order: null, masker.Mask, padding: 9, CPU);
        var last = _corpus.Training.Count - 1;
        var (ids, keep, positions, targets, tokens) = Read(last, 1);
        Read(0, 5);
        using (NewDisposeScope())
        {
            Read(0, 1);
        }

        var n = (int)tokens;
        var sequence = new int[N];
        _corpus.Training.Read(last, sequence).ShouldBe(n);
        Longs(keep!).ShouldBe([.. Enumerable.Repeat(1L, n), .. Enumerable.Repeat(0L, N - n)]);
        Longs(ids)[n..].ShouldAllBe(id => id == 9);
        Longs(positions).Select(position => (long)sequence[position]).ShouldBe(Longs(targets));
        Longs(ids).Take(n).Where((_, i) => !Longs(positions).Contains(i)).ShouldBe(sequence.Take(n).Where((_, i) => !Longs(positions).Contains(i)).Select(id => (long)id));
        Read(0, 1).Keep.ShouldBeNull("there is no padding");

        (Tensor Ids, Tensor? Keep, Tensor Positions, Tensor Targets, long Tokens) Read(long first, int count)
        {
            using var batch = reader.Read(first, count);
            batch.Ids.shape.ShouldBe([count, N]);
            batch.Positions.shape.ShouldBe([batch.Predicted]);
            return (batch.Ids, batch.AttentionMask, batch.Positions, batch.Targets, batch.Tokens);
        }

        static long[] Longs(Tensor tensor) => tensor.contiguous().data<long>().ToArray();
    }

    [Fact]
    public void A_micro_batch_in_which_nothing_is_masked_has_no_loss_but_counts_its_tokens()
    {
        using var model = _corpus.Model();
        var task = _corpus.Task(model, _corpus.Masker(1e-12));
        var loss = task.TrainingLoss(0, 3);
        loss.Sum.ShouldBeNull();
        loss.Predicted.ShouldBe(0);
        loss.Tokens.ShouldBe(Enumerable.Range(0, 3).Sum(sample => _corpus.Training.Read(_corpus.Order.SequenceOf(sample), new int[N])));
    }

    [Fact]
    public void Dropout_leaves_the_held_out_loss_alone_and_changes_that_of_the_training()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var model = _corpus.Model(dropout: 0.5);
        var task = _corpus.Task(model);
        model.train();
        var first = task.TrainingLoss(0, 8).Sum!.item<float>();
        task.TrainingLoss(0, 8).Sum!.item<float>().ShouldNotBe(first);
        model.eval();
        var heldOut = task.HeldOutLoss(0, 4).Sum!.item<float>();
        task.HeldOutLoss(0, 4).Sum!.item<float>().ShouldBe(heldOut);
    }

    /// <summary>The model on the real tokens alone, all of its logits, and the loss written out.</summary>
    private static (double Sum, int Predicted, int Tokens) Expected(
        MaskedLanguageModel model, SequenceSet sequences, long sequence, long number, Mask mask)
    {
        var tokens = new int[N];
        var (inputs, positions, targets) = (new int[N], new int[N], new int[N]);
        var length = sequences.Read(sequence, tokens);
        var chosen = mask(number, tokens.AsSpan(0, length), length, inputs, positions, targets);
        var ids = tensor(inputs.Take(length).Select(id => (long)id).ToArray(), [1, length]);
        var logits = model.call(ids, null).data<double>().ToArray(); // [1, length, vocabulary]
        var vocabulary = model.Config.VocabularySize;
        var sum = 0.0;
        for (var i = 0; i < chosen; i++)
        {
            var row = logits.AsSpan(positions[i] * vocabulary, vocabulary).ToArray();
            sum += Math.Log(row.Sum(Math.Exp)) - row[targets[i]];
        }

        return (sum, chosen, length);
    }

    private static void ShouldBe(MicroBatchLoss actual, (double Sum, int Predicted, int Tokens) expected)
    {
        (actual.Predicted, actual.Tokens).ShouldBe((expected.Predicted, expected.Tokens));
        (actual.Sum?.item<double>() ?? 0).ShouldBe(expected.Sum, 1e-10 * (1 + expected.Sum));
    }

    private static void ShouldBeSum(MicroBatchLoss whole, long first, int count, Func<long, int, MicroBatchLoss> loss)
    {
        using var scope = NewDisposeScope();
        var (sum, predicted, tokens) = (0.0, 0L, 0L);
        for (var i = first; i < first + count; i++)
        {
            var one = loss(i, 1);
            sum += one.Sum?.item<double>() ?? 0;
            predicted += one.Predicted;
            tokens += one.Tokens;
        }

        ShouldBe(whole, (sum, (int)predicted, (int)tokens));
    }

    private static void ShouldHaveTail(SequenceSet sequences) =>
        sequences.Read(sequences.Count - 1, new int[N]).ShouldBeInRange(1, N - 1, "otherwise nothing is padded");
}
