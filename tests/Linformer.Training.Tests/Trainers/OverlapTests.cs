using Linformer.Training.ProcessGroups;
using Linformer.Training.Tests.ProcessGroups;
using static TorchSharp.torch;

namespace Linformer.Training.Tests.Trainers;

/// <summary>Gradients that travel while backward goes on.</summary>
[Collection(nameof(Alone))]
public class OverlapTests
{
    // A weight of 36 elements starts on a cache line, so it has 48; its group is complete with it.
    private const int WeightElements = 48;

    private static readonly TrainingOptions Options = TrainerFixture.Default with { ClipNorm = 1, BucketElements = WeightElements };

    [Fact]
    public void Buckets_leave_one_by_one_in_the_backward_pass_of_the_last_micro_batch()
    {
        var events = new List<string>();
        using var single = new SingleProcessGroup();
        using var task = new LayeredTask { OnTraining = sample => events.Add($"sample {sample}"), OnBackward = layer => events.Add($"layer {layer}") };
        using var trainer = new Trainer(task, Options with { GlobalBatch = 4, MicroBatch = 2 });
        trainer.Join(new RecordingGroup(single, events.Add));
        trainer.TrainStep();

        // Behind the last weight are the biases of 16 elements each and the trailer of 5.
        var rest = WeightElements + (16 * LayeredTask.Layers) + 5;
        events.ShouldBe(
        [
            "sample 0", "layer 3", "layer 2", "layer 1", "layer 0",
            "sample 2", "layer 3", "reduce 48 Full", "layer 2", "reduce 48 Full", "layer 1", "reduce 48 Full", "layer 0", $"reduce {rest} Full",
        ]);
    }

    [Fact]
    public void The_trailer_travels_alone_and_exact_when_gradients_are_rounded()
    {
        var events = new List<string>();
        using var single = new SingleProcessGroup();
        using var task = new LayeredTask();
        using var trainer = new Trainer(task, Options with { Wire = WireFormat.BFloat16, BucketElements = 2 * WeightElements });
        trainer.Join(new RecordingGroup(single, events.Add));
        trainer.TrainStep();
        events.ShouldBe(["reduce 96 BFloat16", $"reduce {96 + (16 * LayeredTask.Layers)} BFloat16", "reduce 5 Full"]);
    }

    public static TheoryData<string, int, WireFormat> Tellings()
    {
        var data = new TheoryData<string, int, WireFormat>();
        foreach (var telling in new[] { "all", "some", "early", "strangers", "on one rank" })
        {
            data.Add(telling, 1, WireFormat.Full);
            data.Add(telling, 2, WireFormat.BFloat16);
            data.Add(telling, 3, WireFormat.Full);
        }

        return data;
    }

    // With three ranks the first has one micro-batch, the others have one and two; the fourth micro-batch of a step predicts nothing.
    [Theory]
    [MemberData(nameof(Tellings))]
    public void What_is_told_when_changes_no_bit(string telling, int worldSize, WireFormat wire)
    {
        var expected = Train(worldSize, wire, (_, _) => _ => []);
        var actual = Train(worldSize, wire, (task, rank) => telling switch
        {
            "all" => task.OfLayer,
            "some" => layer => layer % 2 == 0 ? task.OfLayer(layer) : [],
            // Groups that are complete before the ones in front of them have to wait for these.
            "early" => layer => layer == 0 ? [.. Enumerable.Range(0, LayeredTask.Layers).Reverse().SelectMany(task.OfLayer)] : [],
            "strangers" => layer => [tensor(1f), .. task.OfLayer(layer), .. task.OfLayer(layer)],
            _ => layer => rank == 0 ? task.OfLayer(layer) : [],
        });
        actual.ShouldAllBe(state => state.SequenceEqual(expected[0]));
    }

    [Fact]
    public void The_gradients_are_those_of_plain_autograd()
    {
        using var task = new LayeredTask();
        using var trainer = new Trainer(task, TrainerFixture.Default with { GlobalBatch = 4, MicroBatch = 4, BucketElements = 1 });
        trainer.Join(new SingleProcessGroup());
        using var x = tensor([.. Enumerable.Range(0, 4 * LayeredTask.Width).Select(i => (float)Math.Sin(i * 1.37))], [4, LayeredTask.Width]);
        Tensor[] weights = [.. Enumerable.Range(0, LayeredTask.Layers).Select(l => task.OfLayer(l)[0].detach().clone().to_type(ScalarType.Float64).requires_grad_())];
        var h = x.to_type(ScalarType.Float64);
        var y = h.sum(1, keepdim: true).sin();
        foreach (var weight in weights)
        {
            h = h.matmul(weight.t()).tanh();
        }

        (h - y).square().sum().backward();
        var result = trainer.TrainStep();
        for (var layer = 0; layer < LayeredTask.Layers; layer++)
        {
            var actual = Bits.FloatsOf(task.OfLayer(layer)[0].grad!).Select(g => (double)g).ToArray();
            TrainerFixture.ShouldBeClose(actual, weights[layer].grad!.data<double>().ToArray(), 1e-5, $"layer {layer}");
        }

        result.Skipped.ShouldBeNull();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(4)]
    public void A_rank_that_is_lost_between_two_buckets_leaves_the_others_as_they_were(int lostAt)
    {
        var expected = Train(worldSize: 2, WireFormat.Full, (task, _) => task.OfLayer);
        var states = new int[2][];
        var tasks = new LayeredTask[2];
        var trainers = new Trainer[2];
        Ranks.Run(worldSize: 2, group =>
        {
            var (_, trainer) = (tasks[group.Rank], trainers[group.Rank]) = Make(WireFormat.Full);
            trainer.Join(group);
            trainer.TrainStep();
            states[group.Rank] = Bits.StateOf(trainer);
        });
        Ranks.Try(worldSize: 2, group =>
        {
            var trainer = trainers[group.Rank];
            trainer.Join(new RecordingGroup(group, _ => { }) { LostAt = group.Rank == 1 ? lostAt : 0 });
            trainer.TrainStep();
        }).ShouldAllBe(error => error is ProcessGroupException);
        for (var rank = 0; rank < 2; rank++)
        {
            Bits.StateOf(trainers[rank]).ShouldBe(states[rank]);
            trainers[rank].Step.ShouldBe(1);
        }

        // What had been summed already counts no more.
        Ranks.Run(worldSize: 2, group =>
        {
            trainers[group.Rank].Join(group);
            while (trainers[group.Rank].Step < 4)
            {
                trainers[group.Rank].TrainStep();
            }
        });
        trainers.ShouldAllBe(trainer => Bits.StateOf(trainer).SequenceEqual(expected[0]));
        Array.ForEach(trainers, trainer => trainer.Dispose());
        Array.ForEach(tasks, task => task.Dispose());
    }

    [Fact]
    public void A_rank_whose_task_fails_between_two_buckets_takes_the_others_out_of_the_step()
    {
        var errors = Ranks.Try(worldSize: 2, group =>
        {
            var (task, trainer) = Make(WireFormat.Full);
            using (task)
            using (trainer)
            {
                task.Predicts = _ => true;
                var recording = new RecordingGroup(group, _ => { });
                trainer.Join(recording);
                trainer.TrainStep();
                var state = Bits.StateOf(trainer);
                if (group.Rank == 1)
                {
                    // After its last backward pass, in which all buckets but the last have left.
                    var batches = 0;
                    trainer.Advanced = () =>
                    {
                        if (++batches == 2)
                        {
                            throw new IOException("the disk is gone");
                        }
                    };
                }

                var error = Record.Exception(() => trainer.TrainStep());
                Bits.StateOf(trainer).ShouldBe(state);
                trainer.Step.ShouldBe(1);
                recording.Aborted.ShouldBeTrue();
                throw error!;
            }
        });
        errors[1].ShouldBeOfType<IOException>();
        errors[0].ShouldBeAssignableTo<ProcessGroupException>();
    }

    [Fact]
    public void A_task_that_fails_before_anything_has_left_ends_no_group()
    {
        using var single = new SingleProcessGroup();
        var (task, trainer) = Make(WireFormat.Full);
        using (task)
        using (trainer)
        {
            var group = new RecordingGroup(single, _ => { });
            trainer.Join(group);
            task.OnTraining = _ => throw new IOException("the disk is gone");
            Should.Throw<IOException>(() => trainer.TrainStep());
            group.Aborted.ShouldBeFalse();
            task.OnTraining = _ => { };
            trainer.TrainStep().Step.ShouldBe(1);
        }
    }

    private static (LayeredTask Task, Trainer Trainer) Make(WireFormat wire)
    {
        var task = new LayeredTask { Predicts = sample => sample % 8 != 6 };
        return (task, new Trainer(task, Options with { Wire = wire }));
    }

    // The states of the ranks after four steps of four micro-batches.
    private static int[][] Train(int worldSize, WireFormat wire, Func<LayeredTask, int, Func<int, IReadOnlyList<Tensor>>> told)
    {
        var states = new int[worldSize][];
        Ranks.Run(worldSize, group =>
        {
            var (task, trainer) = Make(wire);
            using (task)
            using (trainer)
            {
                task.Told = told(task, group.Rank);
                trainer.Join(group);
                for (var step = 0; step < 4; step++)
                {
                    trainer.TrainStep().Skipped.ShouldBeNull();
                }

                states[group.Rank] = Bits.StateOf(trainer);
            }
        });
        return states;
    }
}
