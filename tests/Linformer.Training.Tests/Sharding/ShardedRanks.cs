using Linformer.Training.ProcessGroups;
using Linformer.Training.Sharding;
using Linformer.Training.Tests.ProcessGroups;
using Linformer.Training.Tests.Trainers;

namespace Linformer.Training.Tests.Sharding;

/// <summary>Ranks of one process that go from generation to generation, as members of a job do.</summary>
internal sealed class ShardedRanks : IDisposable
{
    private readonly List<LayeredTask> _tasks = [];
    private readonly List<Trainer> _trainers = [];
    private readonly List<long?> _generations = [];
    private readonly TrainingOptions _options;

    public ShardedRanks(TrainingOptions options) => _options = options;

    public IReadOnlyList<Trainer> Trainers => _trainers;

    public IReadOnlyList<LayeredTask> Tasks => _tasks;

    /// <summary>Adds a member that holds nothing.</summary>
    public int Add()
    {
        _tasks.Add(new LayeredTask());
        _trainers.Add(new Trainer(_tasks[^1], _options));
        _generations.Add(null);
        return _trainers.Count - 1;
    }

    /// <summary>Members form a generation, take over the state, and train.</summary>
    /// <param name="members">By rank.</param>
    /// <param name="untilStep">The step behind which they leave.</param>
    /// <param name="disturb">Makes a rank's group another one, for the exchange and for the training.</param>
    /// <returns>What each rank has thrown.</returns>
    public Exception?[] Try(int[] members, long untilStep, Func<int, IProcessGroup, IProcessGroup>? disturb = null) => Ranks.Try(members.Length, gloo =>
    {
        var (member, group) = (members[gloo.Rank], disturb?.Invoke(gloo.Rank, gloo) ?? gloo);
        try
        {
            // Ranks that are not connected yet do not notice at once that one of them is lost.
            gloo.Connected.Wait();
            TakeOver(member, group);
            while (_trainers[member].Step < untilStep)
            {
                _trainers[member].TrainStep();
                _generations[member] = group.Generation;
            }

            // None cuts the connections under the others.
            group.Barrier().Wait();
        }
        catch
        {
            // What a rank does whose group has failed.
            gloo.Abort();
            throw;
        }
        finally
        {
            _trainers[member].Leave();
        }
    });

    /// <summary>The same, where nothing may fail.</summary>
    public void Run(int[] members, long untilStep)
    {
        foreach (var error in Try(members, untilStep))
        {
            if (error is not null)
            {
                throw new AggregateException(error);
            }
        }
    }

    /// <summary>Whether what all members hold is, to the bit, what an unsharded trainer holds.</summary>
    public void ShouldBe(Trainer whole, int[] members, string about)
    {
        foreach (var member in members)
        {
            var trainer = _trainers[member];
            trainer.State.ShouldBe(whole.State, about);
            Bits.BitsOf(trainer.Parameters.Values).ShouldBe(Bits.BitsOf(whole.Parameters.Values), about);
            foreach (var range in trainer.Optimizer.Moments.Ranges)
            {
                var ((first, second), (wholeFirst, wholeSecond)) = (trainer.Optimizer.Moments.Of(range), whole.Optimizer.Moments.Of(range));
                Bits.BitsOf(first).ShouldBe(Bits.BitsOf(wholeFirst), about);
                Bits.BitsOf(second).ShouldBe(Bits.BitsOf(wholeSecond), about);
            }
        }
    }

    public void Dispose()
    {
        _trainers.ForEach(trainer => trainer.Dispose());
        _tasks.ForEach(task => task.Dispose());
    }

    private void TakeOver(int member, IProcessGroup group)
    {
        var trainer = _trainers[member];
        var offers = ShardExchange.Gather(group, trainer.Offer(_generations[member]));
        if (ShardRecovery.Furthest(offers) is not null)
        {
            var plan = ShardRecovery.Decide(offers, trainer.Parameters.Length).ShouldNotBeNull();
            ShardExchange.Transfer(trainer, group, offers, plan, note: []);
            _generations[member] = plan.Place.Generation;
        }

        trainer.Join(group);
        group.Barrier().Wait();
        trainer.Settle();
    }

    /// <summary>Trains unsharded as a history says, undisturbed.</summary>
    public static Trainer Undisturbed(TrainingOptions options, WorldHistory history, IReadOnlySet<long>? skipped = null, Action<LayeredTask>? prepare = null)
    {
        var tasks = new List<LayeredTask>();
        var trainers = new List<Trainer>();
        for (var rank = 0; rank < history.Segments.Max(segment => segment.Ranks); rank++)
        {
            tasks.Add(new LayeredTask());
            prepare?.Invoke(tasks[^1]);
            trainers.Add(new Trainer(tasks[^1], options with { ShardOptimizer = false }) { SkippedSteps = skipped ?? new HashSet<long>() });
        }

        for (var segment = 0; segment < history.Segments.Length; segment++)
        {
            var last = history.LastStepOf(segment);
            Ranks.Run(Math.Max(1, history.Segments[segment].Ranks), group =>
            {
                // All hold the same; whoever was not there takes it over.
                var offers = StateExchange.Gather(group, new StateOffer(true, 0, trainers[group.Rank].Step, Stop: false));
                var root = StateExchange.ChooseRoot(offers)!.Value;
                StateExchange.Transfer(trainers[group.Rank], group, root, StateExchange.Receivers(offers, root), []);
                trainers[group.Rank].Join(group);
                while (trainers[group.Rank].Step < last)
                {
                    trainers[group.Rank].TrainStep();
                }
            });
        }

        trainers.Skip(1).ToList().ForEach(trainer => trainer.Dispose());
        tasks.Skip(1).ToList().ForEach(task => task.Dispose());
        return trainers[0];
    }
}
