using System.Text.Json;
using Linformer.Data;
using Linformer.Model.SafeTensors;
using Linformer.Training.Plugins;
using Linformer.Training.ProcessGroups;

namespace Linformer.Worker.Tests.Plugins;

public sealed class PluginTaskTests : IDisposable
{
    private readonly PluginFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_task_of_ones_own_learns_and_leaves_its_parameters()
    {
        using var job = _folder.Load("Good");
        using var group = new SingleProcessGroup();
        job.Trainer.Join(group);

        var first = job.Trainer.TrainStep().Loss;
        for (var step = 2; step <= 40; step++)
        {
            job.Trainer.TrainStep();
        }

        var evaluation = job.Trainer.Evaluate();
        Directory.CreateDirectory(_folder.PathOf("run"));
        job.Save();

        evaluation.Loss.ShouldBeLessThan(first / 4);
        evaluation.Predicted.ShouldBe(10);
        job.Summary(evaluation, bestStep: null).UnigramPerplexity.ShouldBe(double.NaN);
        using var weights = SafeTensorsFile.Open(Path.Combine(_folder.ModelFolder, PluginModel.WeightsName));
        weights.Tensors.Select(tensor => tensor.Name).ShouldBe(["offset", "slope"], ignoreOrder: true);
        using var description = JsonDocument.Parse(File.ReadAllText(Path.Combine(_folder.ModelFolder, PluginModel.DescriptionName)));
        description.RootElement.GetProperty("seed").GetInt64().ShouldBe(7);
    }

    [Fact]
    public void First_values_follow_from_the_seed_and_come_back_when_the_job_starts_anew()
    {
        using var one = _folder.Load("Good");
        using var other = _folder.Load("Good");
        var first = one.Trainer.Parameters.Values.bytes.ToArray();
        using var group = new SingleProcessGroup();
        one.Trainer.Join(group);
        one.Trainer.TrainStep();
        var trained = one.Trainer.Parameters.Values.bytes.ToArray();

        one.StartAnew();

        other.Trainer.Parameters.Values.bytes.ToArray().ShouldBe(first);
        trained.ShouldNotBe(first);
        one.Trainer.Parameters.Values.bytes.ToArray().ShouldBe(first);
    }

    [Fact]
    public void A_task_starts_from_a_folder_of_parameters_of_the_same_names()
    {
        using var source = _folder.Load("Good");
        using var group = new SingleProcessGroup();
        source.Trainer.Join(group);
        source.Trainer.TrainStep();
        Directory.CreateDirectory(_folder.PathOf("run"));
        source.Save();

        using var next = _folder.Load(PluginFolder.Job("Linformer.Worker.TestPlugin.Good", more: "initializeFrom: model"));

        next.Trainer.Parameters.Values.bytes.ToArray().ShouldBe(source.Trainer.Parameters.Values.bytes.ToArray());
    }

    [Fact]
    public void A_task_may_write_what_it_wants_and_is_given_its_settings()
    {
        using var job = _folder.Load("OwnFolder", "{ title: 'a line' }");
        Directory.CreateDirectory(_folder.PathOf("run"));

        job.Save();

        Directory.GetFileSystemEntries(_folder.ModelFolder).Select(Path.GetFileName).ShouldBe(["inner"]);
        File.ReadAllText(Path.Combine(_folder.ModelFolder, "inner", "line.txt")).ShouldBe("a line");
    }

    [Fact]
    public void Settings_that_do_not_fit_are_named()
    {
        using var job = _folder.Load("OwnFolder", "{ titel: 'a line' }");
        Directory.CreateDirectory(_folder.PathOf("run"));

        var error = Should.Throw<PluginException>(() => job.Save());

        error.Message.ShouldStartWith("plugin.settings");
        error.Message.ShouldContain("titel");
        Directory.Exists(_folder.ModelFolder).ShouldBeFalse();
    }

    [Fact]
    public void A_parameter_that_the_loss_does_not_depend_on_is_told_of()
    {
        using var job = _folder.Load("Faulty", "{ fault: unused }");
        using var fine = _folder.Load("Good");

        job.Note.ShouldBe("The loss of the first samples depends on no value of offset; such a parameter is trained by its weight decay alone.");
        fine.Note.ShouldBeNull();
    }

    [Theory]
    [InlineData("detached", "the loss of training samples 0 to 3 depends on no parameter of the model: there are no gradients.")]
    [InlineData("vector", "the loss of training samples 0 to 3 is a tensor of Float32 with shape [3]; a single Float32 number is needed")]
    [InlineData("double", "parameter slope is Float64 on CPU; Float32 on CPU is needed.")]
    [InlineData("negative", "the loss of training samples 0 to 3 counts -1 predictions and 4 tokens; neither can be below 0.")]
    [InlineData("buffer", "the buffer seen changes while the model trains.")]
    [InlineData("frozen", "parameter offset takes no gradient. Register what is not trained as a buffer.")]
    [InlineData("no-parameters", "the model has no parameters.")]
    [InlineData("no-model", ": the task has no model: its Model is null.")]
    [InlineData("throwing-model", ": the model failed with InvalidOperationException: no model today")]
    [InlineData("throwing-samples", ": the number of training samples failed with InvalidOperationException: nothing was counted")]
    [InlineData("held-out-below-0", ": the task has -5 held-out samples; 0 or more are needed.")]
    public void What_cannot_be_trained_is_refused_before_the_first_step(string fault, string reason) =>
        Should.Throw<PluginException>(() => _folder.Load("Faulty", $"{{ fault: {fault} }}")).Message.ShouldContain(reason);

    [Fact]
    public void A_task_that_never_counts_a_prediction_fails_rather_than_learn_nothing()
    {
        using var job = _folder.Load("Faulty", "{ fault: no-predictions }");
        using var group = new SingleProcessGroup();
        job.Trainer.Join(group);
        var first = job.Trainer.Parameters.Values.bytes.ToArray();
        for (var step = 1; step < 40; step++)
        {
            job.Trainer.TrainStep().Skipped.ShouldBe($"{PluginFolder.Assembly}: the task counts no prediction in the batch: the Predicted of each TrainingLoss is 0, and it should be how many predictions the sum is of");
        }

        Should.Throw<BadDataException>(() => job.Trainer.TrainStep()).Message
            .ShouldMatch($"^Step 40: {PluginFolder.Assembly}: the task counts no prediction.*. No step so far was applied, so the model learns nothing.$");
        job.Trainer.Step.ShouldBe(39);
        job.Trainer.Parameters.Values.bytes.ToArray().ShouldBe(first);
    }

    [Fact]
    public void A_step_that_throws_names_its_samples_and_keeps_the_trace()
    {
        using var job = _folder.Load("Faulty", "{ fault: later }");
        using var group = new SingleProcessGroup();
        job.Trainer.Join(group);
        job.Trainer.TrainStep();
        var before = job.Trainer.Parameters.Values.bytes.ToArray();

        var error = Should.Throw<PluginException>(() => job.Trainer.TrainStep());

        error.Message.ShouldBe($"{PluginFolder.Assembly}: the loss of training samples 24 to 27 failed with InvalidOperationException: the data end here");
        error.InnerException!.StackTrace!.ShouldContain("TrainingLoss");
        job.Trainer.Parameters.Values.bytes.ToArray().ShouldBe(before);
        job.Trainer.Step.ShouldBe(1);
    }
}
