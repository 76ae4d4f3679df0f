using Linformer.Data;
using Linformer.Protocol;
using Linformer.Worker.Jobs;

namespace Linformer.Worker.Tests.Jobs;

public sealed class RunRecordTests : IDisposable
{
    // These decide neither which numbers a step computes with nor which samples it takes, but for the learning rate,
    // which a longer job has to change.
    private static readonly string[] MayChange =
    [
        "priority", "ranks.min", "ranks.max", "ranks.threads", "training.steps", "training.warmupSteps", "training.evaluateEvery",
        "training.checkpointEvery", "training.earlyStopping.patience", "training.earlyStopping.measure", "training.keepCheckpoints", "training.onBadLoss", "training.shardOptimizer",
    ];

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("linformer-test-");

    private string File => Path.Combine(_folder.FullName, "run.json");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void What_is_saved_is_loaded()
    {
        RunRecord.Load(File).ShouldBeNull();
        foreach (var job in (JobFile[])[JobFields.Job, JobFields.Plugin, JobFields.Inference])
        {
            RunRecord.Of(3, "fingerprint", job).Save(File);
            RunRecord.Of(4, "fingerprint", job).Save(File);
            var loaded = RunRecord.Load(File).ShouldNotBeNull();
            (loaded.Generation, loaded.CorpusFingerprint).ShouldBe((4, "fingerprint"));
            JobFileParser.Parse(loaded.Job.ToJsonString(), "run.json").OrThrow().ToJson().ShouldBe(job.ToJson());
            loaded.ChangesOf(job).ShouldBeEmpty();
        }
    }

    [Fact]
    public void Exactly_the_fields_that_decide_what_a_step_computes_must_stay()
    {
        JobFields.Changed.Keys.ShouldBe(JobFields.AllPaths(), ignoreOrder: true);
        foreach (var (path, job) in JobFields.Changed)
        {
            RunRecord.Of(1, "fingerprint", JobFields.BaseOf(path)).Save(File);
            var changes = RunRecord.Load(File)!.ChangesOf(job);
            if (MayChange.Contains(path))
            {
                changes.ShouldBeEmpty(path);
            }
            else
            {
                // Of the fields of one's own, that which differs is told.
                var told = path == "plugin.settings" ? "plugin.settings.depth" : path;
                changes.ShouldContain(change => change.StartsWith($"{told} was ", StringComparison.Ordinal), path);
            }
        }
    }

    // Early stopping only says when a job ends, as its steps do; what was the best so far cannot be said anew, for it is no longer there.
    [Fact]
    public void Early_stopping_may_be_added_and_left_out_but_not_what_is_kept_as_the_best()
    {
        var without = JobFields.Job with { Training = JobFields.Job.Training with { EarlyStopping = null } };
        RunRecord.Of(1, "fingerprint", JobFields.Job).ChangesOf(without).ShouldBeEmpty();
        RunRecord.Of(1, "fingerprint", without).ChangesOf(JobFields.Job).ShouldBeEmpty();

        var last = JobFields.Job with { Training = JobFields.Job.Training with { KeepBest = null } };
        RunRecord.Of(1, "fingerprint", last).ChangesOf(JobFields.Job).ShouldBe(["training.keepBest was not set and is \"accuracy\""]);
        RunRecord.Of(1, "fingerprint", JobFields.Job).ChangesOf(last).ShouldBe(["training.keepBest was \"accuracy\" and is not set"]);
    }

    [Fact]
    public void A_change_is_told_with_both_values()
    {
        var record = RunRecord.Of(1, "fingerprint", JobFields.Job);
        var other = JobFields.Job with
        {
            InitializeFrom = null,
            Training = JobFields.Job.Training with { Seed = 2, Steps = 5000, Optimizer = new() { Betas = [0.9, 0.97], Epsilon = 3e-7 } },
        };
        record.ChangesOf(other).ShouldBe(
            [
                "initializeFrom was \"models/a\" and is not set",
                "training.optimizer.betas was [0.85,0.97] and is [0.9,0.97]",
                "training.seed was 9007199254740991 and is 2",
            ],
            ignoreOrder: true);
    }

    [Fact]
    public void A_record_without_a_field_of_today_has_its_default_and_computes_in_fp32()
    {
        var record = RunRecord.Of(1, "fingerprint", JobFields.Job);
        var training = record.Job["training"]!.AsObject();
        training.Remove("precision");
        training.Remove("clipNorm");
        var same = JobFields.Job with { Training = JobFields.Job.Training with { ClipNorm = 1 } };

        record.ChangesOf(same).ShouldBeEmpty();
        record.ChangesOf(same with { Training = same.Training with { Precision = PrecisionKind.Bf16 } })
            .ShouldHaveSingleItem().ShouldBe("training.precision was \"fp32\" and is \"bf16\"");
    }

    // The warm-up, if the file does not give it, is a tenth of the steps.
    [Fact]
    public void A_job_may_be_made_longer_though_that_moves_the_default_of_the_warm_up()
    {
        static JobFile Job(int steps) => JobFileParser.Parse($"{{ name: a, corpus: {{ files: [a] }}, training: {{ steps: {steps} }} }}", "a.yaml").OrThrow();
        RunRecord.Of(1, "fingerprint", Job(1000)).ChangesOf(Job(2000)).ShouldBeEmpty();
    }

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("not json")]
    [InlineData("""{"generation":1,"corpusFingerprint":"0","job":{"seed":1,"seed":2}}""")]
    [InlineData("""{"generation":1,"corpusFingerprint":"0","job":{"seed":1e-99999999999}}""")]
    [InlineData("""{"generation":1,"corpusFingerprint":"0","job":{"seed":1e999}}""")]
    [InlineData("""{"generation":1,"corpusFingerprint":"0","job":{"training":{"\ud800":1}}}""")]
    [InlineData("""{"generation":1,"corpusFingerprint":"0","job":{"name":["\ud800"]}}""")]
    [InlineData("""{"generation":3,"corpusFingerprint":"f","job":{"name":""")]
    [InlineData("""{"generation":3,"corpusFingerprint":"f"}""")]
    [InlineData("""{"generation":3,"corpusFingerprint":"f","job":null}""")]
    [InlineData("""{"generation":3,"corpusFingerprint":null,"job":{}}""")]
    [InlineData("""{"corpusFingerprint":"f","job":{"name":"a"}}""")]
    [InlineData("""{"generation":"three","corpusFingerprint":"f","job":{"name":"a"}}""")]
    [InlineData("""{"generation":3,"corpusFingerprint":"f","job":[1]}""")]
    [InlineData("""{"generation":3,"corpusFingerprint":"f","job":"a"}""")]
    public void A_damaged_record_is_an_error_that_names_the_file(string content)
    {
        System.IO.File.WriteAllText(File, content);
        Should.Throw<BadDataException>(() => RunRecord.Load(File)).Message.ShouldContain(File);
    }

    [Fact]
    public void Going_back_is_a_lineage_with_a_limit_and_a_step_to_leave_out()
    {
        var record = RunRecord.Of(3, "fingerprint", JobFields.Job).GoneBackFrom(50).GoneBackFrom(71);
        record.Save(File);

        var loaded = RunRecord.Load(File)!;

        (loaded.Generation, loaded.Lineage, loaded.CorpusFingerprint).ShouldBe((5, 2, "fingerprint"));
        loaded.LineageLimits.ShouldBe([49, 70]);
        loaded.SkippedSteps.ShouldBe([50, 71]);
    }

    [Fact]
    public void A_lineage_without_its_limits_is_damage()
    {
        (RunRecord.Of(3, "fingerprint", JobFields.Job) with { Lineage = 2, LineageLimits = [49] }).Save(File);

        Should.Throw<BadDataException>(() => RunRecord.Load(File)).Message.ShouldContain("lineage 2 has 1 limits");
    }
}
