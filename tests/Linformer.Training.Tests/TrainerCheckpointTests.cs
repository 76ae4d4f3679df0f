using Linformer.Data;
using Linformer.Model;
using Linformer.Model.SafeTensors;
using Linformer.Training.Checkpoints;
using Linformer.Training.Tests.Checkpoints;
using Linformer.Training.Tests.Trainers;
using TorchSharp;
using TorchSharp.Modules;

namespace Linformer.Training.Tests;

[Collection(nameof(Alone))]
public sealed class TrainerCheckpointTests : IDisposable
{
    private const int GlobalBatch = 8;
    private const string Job = """{"name":"a"}""";

    private readonly TemporaryFolder _folder = new();
    private readonly CheckpointStore _store;

    public TrainerCheckpointTests() => _store = new CheckpointStore(Path.Combine(_folder.Root, "checkpoints"));

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task What_is_restored_has_the_bits_of_then_and_trains_on_as_it_did()
    {
        using var fixture = Trained(steps: 30);
        var trainer = fixture.Trainer;
        var (then, counts) = (Bits.StateOf(trainer), (trainer.Step, trainer.State.Updates, trainer.State.LossHistory));
        var info = await WriteAsync(trainer);
        var later = Train(trainer, steps: 5);
        Bits.StateOf(trainer).ShouldNotBe(then);

        TrainerCheckpoint.Restore(info, trainer, GlobalBatch);
        Bits.StateOf(trainer).ShouldBe(then);
        (trainer.Step, trainer.State.Updates, trainer.State.LossHistory).ShouldBe(counts);
        Train(trainer, steps: 5).ShouldBe(later);

        using var another = new TrainerFixture();
        TrainerCheckpoint.Restore(info, another.Trainer, GlobalBatch);
        Bits.StateOf(another.Trainer).ShouldBe(then);
        Train(another.Trainer, steps: 5).ShouldBe(later);
        Bits.StateOf(another.Trainer).ShouldBe(Bits.StateOf(trainer));
    }

    [Fact]
    public async Task With_local_steps_the_outer_momentum_is_there_too()
    {
        var options = TrainerFixture.Default with { LocalSteps = 3 };
        using var fixture = new TrainerFixture(options);
        Train(fixture.Trainer, steps: 2);
        var info = await WriteAsync(fixture.Trainer);
        var later = Train(fixture.Trainer, steps: 2);

        using var another = new TrainerFixture(options);
        TrainerCheckpoint.Restore(info, another.Trainer, GlobalBatch);
        another.Trainer.Step.ShouldBe(6);
        Train(another.Trainer, steps: 2).ShouldBe(later);
        Bits.StateOf(another.Trainer).ShouldBe(Bits.StateOf(fixture.Trainer));
        Bits.BitsOf(another.Trainer.Outer!.Momentum).ShouldBe(Bits.BitsOf(fixture.Trainer.Outer!.Momentum));

        using var plain = new TrainerFixture();
        Should.Throw<ModelFormatException>(() => TrainerCheckpoint.Restore(info, plain.Trainer, GlobalBatch)).Message.ShouldContain("outer_momentum.");
    }

    [Fact]
    public async Task One_that_does_not_say_how_many_ranks_there_were_can_be_gone_on_from()
    {
        using var fixture = Trained(steps: 3);
        var info = await ChangedAsync(
            fixture, replaced: ("trainer.json", stream => stream.Write("""{"Step":3,"Updates":3,"MeanLoss":1.5,"GoodLosses":3}"""u8)));
        TrainerCheckpoint.Restore(info, fixture.Trainer, GlobalBatch);
        fixture.Trainer.State.ShouldBe(new TrainerState(3, 3, new LossHistory(1.5, 3), WorldHistory.Unknown(3)));
        fixture.Trainer.TrainStep();
        fixture.Trainer.State.World.Segments.ShouldBe([new WorldSegment(4, 1)]);
    }

    [Theory]
    [InlineData("""{"Step":4,"Updates":3,"MeanLoss":1.5,"GoodLosses":3}""")]
    [InlineData("""{"Step":3,"Updates":4,"MeanLoss":1.5,"GoodLosses":3}""")]
    [InlineData("""{"Step":3,"Updates":-1,"MeanLoss":1.5,"GoodLosses":3}""")]
    [InlineData("""{"Step":3,"Updates":3,"MeanLoss":1e999,"GoodLosses":3}""")]
    [InlineData("""{"Step":3,"Updates":3,"MeanLoss":1.5,"GoodLosses":-9223372036854775808}""")]
    [InlineData("""{"Step":2305843009213693955,"Updates":3,"MeanLoss":1.5,"GoodLosses":3}""")]
    public async Task Counts_that_the_state_of_its_step_cannot_have_are_an_error(string state)
    {
        using var fixture = Trained(steps: 3);
        var info = await ChangedAsync(fixture, replaced: ("trainer.json", stream => stream.Write(System.Text.Encoding.UTF8.GetBytes(state))));
        ShouldFail<CheckpointException>(info).ShouldContain("which the state after step 3 cannot have");
    }

    [Fact]
    public async Task A_checkpoint_with_any_damage_is_passed_over_for_the_one_before()
    {
        using var fixture = Trained(steps: 3);
        var before = await WriteAsync(fixture.Trainer);
        Train(fixture.Trainer, steps: 1);
        var info = await WriteAsync(fixture.Trainer);
        var random = new Random(11);
        foreach (var path in Directory.GetFiles(info.Folder))
        {
            var whole = await File.ReadAllBytesAsync(path);
            for (var i = 0; i < 20; i++)
            {
                var place = random.Next(whole.Length);
                byte[] damaged = i % 2 == 0 ? whole[..place] : [.. whole];
                if (i % 2 == 1)
                {
                    damaged[place] ^= (byte)(1 << random.Next(8));
                }

                await File.WriteAllBytesAsync(path, damaged);
                var warnings = new List<CheckpointDamage>();
                _store.FindNewestValid(warnings.Add).ShouldNotBeNull().Id.ShouldBe(before.Id);
                warnings.ShouldHaveSingleItem().Id.ShouldBe(info.Id);
            }

            await File.WriteAllBytesAsync(path, whole);
        }

        _store.FindNewestValid(damage => throw new InvalidOperationException(damage.ToString()))!.Id.ShouldBe(info.Id);
    }

    [Fact]
    public async Task Skipped_steps_are_counted_apart_from_updates()
    {
        using var fixture = Trained(steps: 3);
        fixture.Task.Rows = _ => 0;
        fixture.Trainer.TrainStep();
        var info = await WriteAsync(fixture.Trainer);
        (info.Id.Step, info.Metadata.SamplesConsumed).ShouldBe((4, 4 * GlobalBatch));
        using var another = new TrainerFixture();
        TrainerCheckpoint.Restore(info, another.Trainer, GlobalBatch);
        (another.Trainer.Step, another.Trainer.State.Updates).ShouldBe((4, 3));
    }

    [Fact]
    public async Task The_copy_stays_as_it_was_while_training_goes_on()
    {
        using var fixture = Trained(steps: 3);
        var then = Bits.StateOf(fixture.Trainer);
        using var copy = TrainerCheckpoint.Take(fixture.Trainer, GlobalBatch);
        Train(fixture.Trainer, steps: 4);
        copy.Step.ShouldBe(3);
        var info = await copy.WriteAsync(_store, lineage: 1, generation: 2, Job);
        info.Id.ShouldBe(new CheckpointId(1, 2, 3));
        TrainerCheckpoint.Restore(info, fixture.Trainer, GlobalBatch);
        Bits.StateOf(fixture.Trainer).ShouldBe(then);
    }

    [Fact]
    public async Task The_copy_outlives_the_dispose_scope_in_which_it_was_taken()
    {
        using var fixture = Trained(steps: 1);
        TrainerCheckpoint copy;
        using (torch.NewDisposeScope())
        {
            copy = TrainerCheckpoint.Take(fixture.Trainer, GlobalBatch);
        }

        using (copy)
        {
            var info = await copy.WriteAsync(_store, lineage: 0, generation: 1, Job);
            TrainerCheckpoint.Restore(info, fixture.Trainer, GlobalBatch);
        }
    }

    [Fact]
    public async Task The_files_hold_parameters_and_moments_under_their_logical_names()
    {
        using var fixture = Trained(steps: 3);
        var info = await WriteAsync(fixture.Trainer);
        using var model = SafeTensorsFile.Open(info.PathOf("model.safetensors"));
        using var optimizer = SafeTensorsFile.Open(info.PathOf("optimizer.safetensors"));
        model.Tensors.Select(t => t.Name).ShouldBe(["weight", "bias"], ignoreOrder: true);
        optimizer.Tensors.Select(t => t.Name)
            .ShouldBe(["first_moment.weight", "first_moment.bias", "second_moment.weight", "second_moment.bias"], ignoreOrder: true);
        model["weight"].Shape.ShouldBe([1, LinearTask.Width]);
        Floats(model.Read("weight")).ShouldBe(Bits.FloatsOf(fixture.Task.Linear.Weight));
        Floats(model.Read("bias")).ShouldBe(Bits.FloatsOf(fixture.Task.Linear.Bias));
        Floats(optimizer.Read("second_moment.bias"))[0].ShouldBeGreaterThan(0);
    }

    [Fact]
    public async Task Batches_of_another_size_are_an_error()
    {
        using var fixture = Trained(steps: 3);
        var info = await WriteAsync(fixture.Trainer);
        var options = TrainerFixture.Default with { GlobalBatch = 16 };
        using var another = new TrainerFixture(options);
        Should.Throw<CheckpointException>(() => TrainerCheckpoint.Restore(info, another.Trainer, options.GlobalBatch))
            .Message.ShouldContain("24 samples were used up in 3 steps, which is not 16 a step: training.globalBatch");
    }

    [Fact]
    public async Task Another_version_of_the_sample_order_is_an_error()
    {
        using var fixture = Trained(steps: 3);
        var info = await ChangedAsync(fixture, order: 99);
        ShouldFail<CheckpointException>(info).ShouldContain($"version 99 of the sample order; this program has version {SampleOrder.Version}");
    }

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("""{"Step":3,"Updates":3,"MeanLoss":1.5,"GoodLosses":""")]
    [InlineData("""{"Step":3,"Updates":3,"MeanLoss":1.5}""")]
    [InlineData("""{"Step":3,"MeanLoss":1.5,"GoodLosses":3}""")]
    [InlineData("""{"Step":"three","Updates":3,"MeanLoss":1.5,"GoodLosses":3}""")]
    public async Task A_damaged_state_is_an_error_that_names_the_file(string content)
    {
        using var fixture = Trained(steps: 3);
        var info = await ChangedAsync(fixture, replaced: ("trainer.json", stream => stream.Write(System.Text.Encoding.UTF8.GetBytes(content))));
        ShouldFail<CheckpointException>(info).ShouldContain("trainer.json");
    }

    [Theory]
    [InlineData("model.safetensors", "bias")]
    [InlineData("optimizer.safetensors", "first_moment.weight")]
    [InlineData("optimizer.safetensors", "second_moment.bias")]
    public async Task A_missing_tensor_is_an_error_that_names_it(string file, string tensor)
    {
        using var fixture = Trained(steps: 3);
        var written = await WriteAsync(fixture.Trainer);
        var info = await ChangedAsync(fixture, replaced: (file, stream => WriteWithout(written.PathOf(file), tensor, stream)));
        var message = ShouldFail<SafeTensorsException>(info);
        message.ShouldContain(file);
        message.ShouldContain($"'{tensor}'");
    }

    [Fact]
    public async Task A_missing_file_is_an_error_that_names_it()
    {
        using var fixture = Trained(steps: 3);
        var info = await WriteAsync(fixture.Trainer);
        ShouldFail<CheckpointException>(info with { Files = [.. info.Files.Where(f => f.Name != TrainerCheckpoint.StateFile)] })
            .ShouldContain("trainer.json");
    }

    [Fact]
    public async Task A_model_of_other_shapes_is_an_error_that_gives_both()
    {
        using var fixture = Trained(steps: 3);
        var info = await WriteAsync(fixture.Trainer);
        using var task = new OtherTask(new LinearModel([1, 2, 3, 4], bias: 1));
        using var trainer = new Trainer(task, TrainerFixture.Default);
        var message = Should.Throw<ModelFormatException>(() => TrainerCheckpoint.Restore(info, trainer, GlobalBatch)).Message;
        message.ShouldContain("tensor 'weight' has shape [1, 3]; [1, 4] is expected");
    }

    // Such as one of fewer layers: all that it needs is in the checkpoint.
    [Fact]
    public async Task A_model_that_lacks_a_parameter_of_the_checkpoint_is_an_error()
    {
        using var fixture = Trained(steps: 3);
        var info = await WriteAsync(fixture.Trainer);
        using var task = new OtherTask(new WeightOnly());
        using var trainer = new Trainer(task, TrainerFixture.Default);
        Should.Throw<ModelFormatException>(() => TrainerCheckpoint.Restore(info, trainer, GlobalBatch))
            .Message.ShouldContain("tensor 'bias'");
    }

    private static TrainerFixture Trained(int steps)
    {
        var fixture = new TrainerFixture();
        Train(fixture.Trainer, steps);
        return fixture;
    }

    private static StepResult[] Train(Trainer trainer, int steps) => [.. Enumerable.Range(0, steps).Select(_ => trainer.TrainStep())];

    private async Task<CheckpointInfo> WriteAsync(Trainer trainer)
    {
        using var copy = TrainerCheckpoint.Take(trainer, GlobalBatch);
        return await copy.WriteAsync(_store, lineage: 0, generation: 1, Job);
    }

    /// <summary>A checkpoint that is whole, so that its hashes are right, but not what the trainer would write.</summary>
    private async Task<CheckpointInfo> ChangedAsync(
        TrainerFixture fixture, int order = SampleOrder.Version, (string File, Action<Stream> Write)? replaced = null)
    {
        using var copy = TrainerCheckpoint.Take(fixture.Trainer, GlobalBatch);
        var good = await copy.WriteAsync(new CheckpointStore(Path.Combine(_folder.Root, "good")), lineage: 0, generation: 1, Job);
        return await _store.WriteAsync(
            good.Id with { Generation = 7 },
            good.Metadata with { SampleOrderVersion = order },
            [.. good.Files.Select(file => new CheckpointFile(
                file.Name, file.Name == replaced?.File ? replaced.Value.Write : stream => stream.Write(File.ReadAllBytes(good.PathOf(file.Name)))))]);
    }

    private static string ShouldFail<TException>(CheckpointInfo info)
        where TException : Exception
    {
        using var fixture = new TrainerFixture();
        return Should.Throw<TException>(() => TrainerCheckpoint.Restore(info, fixture.Trainer, GlobalBatch)).Message;
    }

    private static void WriteWithout(string path, string tensor, Stream stream)
    {
        using var file = SafeTensorsFile.Open(path);
        SafeTensorsWriter.Write(stream, [.. file.Tensors.Where(t => t.Name != tensor)
            .Select(t => new SafeTensorEntry(t.Name, t.Type, t.Shape, output => output.Write(file.Read(t.Name))))]);
    }

    private static float[] Floats(byte[] bytes) => [.. Enumerable.Range(0, bytes.Length / 4).Select(i => BitConverter.ToSingle(bytes, i * 4))];

    private sealed class WeightOnly : torch.nn.Module<torch.Tensor, torch.Tensor>
    {
        private readonly Parameter _weight = new(torch.ones(1, LinearTask.Width));

        public WeightOnly()
            : base(nameof(WeightOnly)) => register_parameter("weight", _weight);

        public override torch.Tensor forward(torch.Tensor input) => input.matmul(_weight.t());
    }

    private sealed class OtherTask(torch.nn.Module model) : ITrainingTask
    {
        public torch.nn.Module Model => model;

        public long TrainingSequences => 1;

        public long HeldOutSequences => 0;

        public MicroBatchLoss TrainingLoss(long firstSample, int count) => default;

        public MicroBatchLoss HeldOutLoss(long firstSequence, int count) => default;

        public void Dispose() => model.Dispose();
    }
}
