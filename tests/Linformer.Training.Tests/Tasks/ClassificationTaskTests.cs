using System.Text;
using Linformer.Data;
using Linformer.Data.Labelled;
using Linformer.Data.Tokenizers;
using Linformer.Model;
using Linformer.Model.Classification;
using Linformer.Model.Kernels;
using Linformer.Training.Measures;
using Linformer.Training.Optimizers;
using Linformer.Training.ProcessGroups;
using Linformer.Training.Tasks;
using Linformer.Training.Tests.Checkpoints;
using Linformer.Training.Tests.ProcessGroups;
using static TorchSharp.torch;

namespace Linformer.Training.Tests.Tasks;

[Collection(nameof(Alone))]
public sealed class ClassificationTaskTests : IDisposable
{
    private const int Length = 16;

    private readonly TemporaryFolder _folder = new();
    private readonly ITokenizer _tokenizer;
    private readonly LabelledDataset _classes;
    private readonly LabelledDataset _numbers;

    public ClassificationTaskTests()
    {
        var text = new StringBuilder("text\tlabel\n");
        for (var i = 0; i < 90; i++)
        {
            var words = (string[])["many long and longer words, one after the other, to and fro", "few", "none at all"];
            text.Append($"word{i % 7} of {words[i % 3]} {i}\t{i % 3}\n");
        }

        File.WriteAllText(Path.Combine(_folder.Root, "t.tsv"), text.ToString());
        (_tokenizer, _classes) = Open(isNumber: false);
        (_, _numbers) = Open(isNumber: true);
    }

    public void Dispose()
    {
        _classes.Dispose();
        _numbers.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [InlineData(false, LongDocuments.Truncate, Pooling.First)]
    [InlineData(false, LongDocuments.Windows, Pooling.Mean)]
    [InlineData(true, LongDocuments.Windows, Pooling.First)]
    public void The_loss_of_a_batch_is_the_sum_of_those_of_its_examples_whatever_is_padded(bool isNumber, LongDocuments rule, Pooling pooling)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var task = Task(isNumber, rule, pooling);
        task.Model.eval();
        var all = task.TrainingLoss(3, 6);
        var alone = Enumerable.Range(3, 6).Select(sample => task.TrainingLoss(sample, 1)).ToList();
        all.Sum!.item<float>().ShouldBe(alone.Sum(loss => loss.Sum!.item<float>()), 1e-4f);
        all.Predicted.ShouldBe(6);
        all.Tokens.ShouldBe(alone.Sum(loss => loss.Tokens));
    }

    [Fact]
    public void The_loss_is_the_cross_entropy_of_the_mean_over_the_windows()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var encoder = new ExampleEncoder(_tokenizer.Special, Length, LongDocuments.Windows);
        using var task = Task(isNumber: false, LongDocuments.Windows, Pooling.Mean);
        var model = (ClassificationModel)task.Model;
        model.eval();
        var index = Enumerable.Range(0, (int)_classes.HeldOut.Count).First(i => _classes.HeldOut.Tokens(i) > Length - 2);
        var rows = encoder.Encode(_classes.HeldOut.Read(index));
        rows.Count.ShouldBeGreaterThan(1);
        var scores = new double[3];
        foreach (var row in rows)
        {
            var outputs = model.call(tensor(Array.ConvertAll(row, id => (long)id), [1, row.Length]), null).data<float>().ToArray();
            for (var i = 0; i < 3; i++)
            {
                scores[i] += outputs[i] / (double)rows.Count;
            }
        }

        var expected = Math.Log(scores.Sum(Math.Exp)) - scores[(int)_classes.HeldOut.Target(index)];
        task.HeldOutLoss(index, 1).Sum!.item<float>().ShouldBe((float)expected, 1e-5f);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Measures_are_the_same_to_the_bit_on_one_two_and_three_ranks(bool isNumber)
    {
        var results = new[] { 1, 2, 3 }.Select(worldSize => Evaluate(worldSize, isNumber)).ToList();
        results[0].Measures.ShouldNotBeNull().Count.ShouldBe(isNumber ? 2 : 4);
        foreach (var result in results.Skip(1))
        {
            result.Predicted.ShouldBe(results[0].Predicted);
            result.Loss.ShouldBe(results[0].Loss, 1e-12);
            result.Measures!.OrderBy(measure => measure.Key).ShouldBe(results[0].Measures!.OrderBy(measure => measure.Key));
        }
    }

    [Fact]
    public void The_accuracy_is_that_of_each_example_by_itself()
    {
        var result = Evaluate(2, isNumber: false);
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var task = Task(isNumber: false, LongDocuments.Truncate, Pooling.First);
        var model = (ClassificationModel)task.Model;
        model.eval();
        var encoder = new ExampleEncoder(_tokenizer.Special, Length, LongDocuments.Truncate);
        var hits = 0;
        for (var i = 0; i < _classes.HeldOut.Count; i++)
        {
            var row = encoder.Encode(_classes.HeldOut.Read(i))[0];
            var told = model.call(tensor(Array.ConvertAll(row, id => (long)id), [1, row.Length]), null).argmax(-1).item<long>();
            hits += told == (long)_classes.HeldOut.Target(i) ? 1 : 0;
        }

        result.Measures![MeasureNames.Accuracy].ShouldBe(hits / (double)_classes.HeldOut.Count, 1e-12);
    }

    // The long class is told from the others after some thirty steps; from first weights this small it takes some two hundred more to tell
    // the two short ones apart, and till then less than two thirds are right.
    [Theory]
    [InlineData(Pooling.Mean)]
    [InlineData(Pooling.First)]
    public void A_few_hundred_steps_learn_what_is_easy(Pooling pooling)
    {
        using var task = Task(isNumber: false, LongDocuments.Truncate, pooling);
        using var trainer = new Trainer(task, Options with { Steps = 400, LearningRate = new LearningRateSchedule(ScheduleShape.Constant, 5e-3, 0, 400) });
        using var group = new SingleProcessGroup();
        trainer.Join(group);
        var before = trainer.Evaluate();
        before.Measures![MeasureNames.Accuracy].ShouldBeLessThan(0.7);
        task.Model.train();
        for (var step = 0; step < 400; step++)
        {
            trainer.TrainStep();
        }

        var after = trainer.Evaluate();
        after.Measures![MeasureNames.Accuracy].ShouldBeGreaterThan(0.9);
        after.Loss.ShouldBeLessThan(before.Loss / 5);
    }

    [Theory]
    [InlineData(false, LongDocuments.Truncate, Pooling.First)]
    [InlineData(false, LongDocuments.Windows, Pooling.Mean)]
    [InlineData(true, LongDocuments.Windows, Pooling.First)]
    public void Training_with_kernels_is_training_without_on_any_number_of_ranks(bool isNumber, LongDocuments rule, Pooling pooling)
    {
        var plain = Trained(1, Precision.Float32, isNumber, rule, pooling, kernels: false);
        foreach (var worldSize in new[] { 1, 2, 3 })
        {
            var fused = Trained(worldSize, Precision.Float32, isNumber, rule, pooling, kernels: true);
            var difference = Math.Sqrt(fused.Zip(plain, (a, b) => (double)(a - b) * (a - b)).Sum());
            difference.ShouldBeLessThan(1e-4 * Math.Sqrt(plain.Sum(value => (double)value * value)), $"{worldSize} ranks");
        }
    }

    [Theory]
    [InlineData(Precision.Float32)]
    [InlineData(Precision.BFloat16)]
    public void Training_with_kernels_gives_the_same_bits_again(Precision precision)
    {
        // One rank: threads of a process share the generator that dropout draws from.
        var first = Trained(1, precision, isNumber: false, LongDocuments.Windows, Pooling.Mean, kernels: true, dropout: 0.1);
        Trained(1, precision, isNumber: false, LongDocuments.Windows, Pooling.Mean, kernels: true, dropout: 0.1).SequenceEqual(first).ShouldBeTrue();
    }

    [Fact]
    public void What_is_held_out_loses_the_same_with_kernels()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var plain = Task(isNumber: false, LongDocuments.Windows, Pooling.Mean);
        using var fused = Task(isNumber: false, LongDocuments.Windows, Pooling.Mean, kernels: true);
        plain.Model.eval();
        fused.Model.eval();
        var (expected, actual) = (new double[plain.StatisticsLength], new double[fused.StatisticsLength]);

        fused.HeldOutLoss(0, 9, actual).Sum!.item<float>().ShouldBe(plain.HeldOutLoss(0, 9, expected).Sum!.item<float>(), 1e-4f);
        actual.ShouldBe(expected);
    }

    // The parameters after some steps, the same on all ranks.
    private float[] Trained(
        int worldSize, Precision precision, bool isNumber, LongDocuments rule, Pooling pooling, bool kernels, double dropout = 0)
    {
        const int Steps = 8;
        var values = new float[worldSize][];
        Ranks.Run(worldSize, group =>
        {
            using var task = Task(isNumber, rule, pooling, kernels, precision, dropout);
            using var trainer = new Trainer(task, Options);
            trainer.Join(group);
            task.Model.train();
            for (var step = 0; step < Steps; step++)
            {
                trainer.TrainStep();
            }

            values[group.Rank] = [.. task.Model.named_parameters().OrderBy(p => p.name, StringComparer.Ordinal).SelectMany(p => Bits.FloatsOf(p.parameter))];
        });
        values.ShouldAllBe(own => own.SequenceEqual(values[0]));
        return values[0];
    }

    private static TrainingOptions Options => new()
    {
        Steps = 100,
        GlobalBatch = 12,
        MicroBatch = 4,
        LearningRate = new LearningRateSchedule(ScheduleShape.Constant, 5e-3, 0, 100),
        JudgesJumps = false,
    };

    private EvaluationResult Evaluate(int worldSize, bool isNumber)
    {
        var results = new EvaluationResult[worldSize];
        Ranks.Run(worldSize, group =>
        {
            using var task = Task(isNumber, LongDocuments.Truncate, Pooling.First);
            using var trainer = new Trainer(task, Options);
            trainer.Join(group);
            results[group.Rank] = trainer.Evaluate();
        });
        foreach (var result in results)
        {
            result.Measures!.OrderBy(measure => measure.Key).ShouldBe(results[0].Measures!.OrderBy(measure => measure.Key));
        }

        return results[0];
    }

    private ClassificationTask Task(
        bool isNumber, LongDocuments rule, Pooling pooling, bool kernels = false, Precision precision = Precision.Float32, double dropout = 0)
    {
        var dataset = isNumber ? _numbers : _classes;
        var config = new LinformerConfig
        {
            VocabularySize = _tokenizer.VocabularySize,
            Layers = 1,
            Heads = 2,
            Hidden = 16,
            FeedForward = 24,
            SequenceLength = Length,
            ProjectedLength = 4,
            Dropout = dropout,
        };
        var model = new ClassificationModel(config, new ClassificationHead { Classes = [.. dataset.Classes], Pooling = pooling });
        Initialization.Apply(model, seed: 3);
        var encoder = new ExampleEncoder(_tokenizer.Special, Length, rule);
        return new ClassificationTask(
            model, dataset.Training, dataset.HeldOut, _tokenizer.Special, encoder, new SampleOrder(dataset.Training.Count, seed: 3, shuffleBlock: 1),
            kernels ? new FusedEncoder(model.Encoder, precision) : null);
    }

    private (ITokenizer Tokenizer, LabelledDataset Dataset) Open(bool isNumber)
    {
        var settings = new CorpusSettings
        {
            Files = ["t.tsv"],
            VocabularySize = 300,
            Examples = new ExampleLayout { Format = ExampleFormat.Table, IsNumber = isNumber },
        };
        var prepared = CorpusPreparation.Prepare(settings, _folder.Root, Path.Combine(_folder.Root, "cache"));
        return (prepared.Tokenizer, LabelledDataset.Open(prepared.Folder, prepared.Tokenizer, heldOut: 0.3));
    }
}
