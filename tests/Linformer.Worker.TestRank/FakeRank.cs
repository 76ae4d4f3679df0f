using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Linformer.Worker.RankProtocol;

namespace Linformer.Worker.TestRank;

/// <summary>A member that keeps to the protocol and computes nothing. What it does is said by a mode, such as <c>steps:20</c>.</summary>
internal sealed class FakeRank
{
    private const int StepMilliseconds = 5;
    private const int PulseMilliseconds = 50;

    private readonly RankControl _control;
    private readonly StartMessage _start;
    private readonly BlockingCollection<JoinMessage> _joins = [];
    private JoinMessage _join = new(0, 0, -1, 0);
    private long _step;
    private bool _holds;
    private long _activity;
    private volatile bool _waiting = true;

    public FakeRank(RankControl control, StartMessage start)
    {
        (_control, _start) = (control, start);
        _control.OnJoin(_joins.Add);
    }

    private bool StopRequested => _control.StopRequested.IsCancellationRequested;

    /// <summary>Does what a mode says.</summary>
    /// <returns>The exit code.</returns>
    public int Run(string mode)
    {
        var (name, number) = (mode.Split(':')[0], mode.Contains(':', StringComparison.Ordinal) ? long.Parse(mode.Split(':')[1], CultureInfo.InvariantCulture) : long.MaxValue);
        if (name == "never-ready")
        {
            Thread.Sleep(Timeout.Infinite);
        }

        if (name == "dies-at-start")
        {
            return 5;
        }

        new Thread(Pulse) { IsBackground = true }.Start();
        _control.Send(new ReadyMessage());
        if (!WaitForJoin())
        {
            return Stopped();
        }

        return name switch
        {
            "steps" => Train(until: number),
            "breaks" => Train(breakAfter: number),
            "bad-loss" => Train(badStep: number, until: 20),
            "always-bad" => Train(alwaysBad: true),
            "joins-never" => Sleep(),
            "repeats" => Repeat(),
            _ => RunOnce(name),
        };
    }

    private int RunOnce(string name)
    {
        _control.Send(new JoinedMessage(_join.Lineage, _join.Generation, _step, "fresh"));
        _waiting = false;
        return name switch
        {
            "train" => TrainFiveSteps(),
            "steps-for-long" => StepForLong(),
            "graceful" => Graceful(),
            "talks" => Talk(),
            "checkpoint-and-noise" => CheckpointAndNoise(),
            "stops-with-others" => StopWithOthers(),
            "spins" => StandStill(waiting: false),
            "waits" => StandStill(waiting: true),
            "late-crash" => LateCrash(),
            "environment" => TellEnvironment(),
            "noise" => Noise(),
            "rendezvous" => Meet(),
            "rendezvous-waits" => Finish(JsonSerializer.Serialize(RendezvousWaits())),
            "rendezvous-large" => Set("large", new byte[100_000], _join.Generation),
            "rendezvous-elsewhere" => Set("key", [1], _join.Generation + 1),
            "rendezvous-flood" => Flood(),
            "does-not-end" => DoesNotEnd(),
            "needs-storage" => NeedStorage(),
            "busy" => SayJoined(Spin),
            "sleep" => SayJoined(Sleep),
            "unfinished" => 0,
            _ => Failures.Run(name, _control) ?? Sleep(),
        };
    }

    private int NeedStorage()
    {
        while (File.Exists(Path.Combine(_start.StorageRoot, "storage-id")))
        {
            Thread.Sleep(10);
        }

        _control.Send(new FailedMessage("the corpus is gone", Permanent: true));
        return 1;
    }

    // Whether there is a generation to join; otherwise the process was asked to stop while it waited.
    private bool WaitForJoin()
    {
        _waiting = true;
        while (true)
        {
            if (_joins.TryTake(out var join, 10))
            {
                _join = join;
                if (join.Rank >= 0)
                {
                    return true;
                }
            }
            else if (StopRequested)
            {
                return false;
            }
        }
    }

    // Steps, leaves and joins as a real rank does, as far as others can see it.
    private int Train(long until = long.MaxValue, long breakAfter = long.MaxValue, long badStep = long.MaxValue, bool alwaysBad = false)
    {
        var lineage = _join.Lineage;
        while (true)
        {
            // What was held is of no use to another lineage.
            (_step, _holds, lineage) = _join.Lineage == lineage ? (_step, _holds, lineage) : (0, false, _join.Lineage);
            _step = Math.Max(_step, _join.CommittedStep);
            _control.Send(new JoinedMessage(_join.Lineage, _join.Generation, _step, _holds ? "held" : "fresh"));
            (_holds, _waiting) = (true, false);
            while (_joins.Count == 0 && !StopRequested && _step < until && _step < (_join.UntilStep ?? long.MaxValue))
            {
                var bad = alwaysBad || _step + 1 == badStep;
                if (bad && _join.SkippedSteps?.Contains(_step + 1) != true)
                {
                    Leave("the loss is NaN", _step + 1);
                    break;
                }

                if (_step >= breakAfter && _join.Generation == 1)
                {
                    Leave("lost rank 1: the connection was closed");
                    break;
                }

                Step();
            }

            if (_step >= until)
            {
                return Finish(JsonSerializer.Serialize(_join));
            }

            if (StopRequested && !_waiting && _joins.Count == 0)
            {
                return Stopped();
            }

            if (!_waiting)
            {
                Leave(null);
            }

            if (!WaitForJoin())
            {
                return Stopped();
            }
        }
    }

    private void Leave(string? broken, long? badStep = null)
    {
        _waiting = true;
        _control.Send(new LeftMessage(_join.Generation, _step, true, broken, badStep));
    }

    private void Step()
    {
        Thread.Sleep(StepMilliseconds);
        Interlocked.Increment(ref _activity);
        _step++;
        _control.Send(new AppliedMessage(_step, StepMilliseconds / 1000.0));
        if (_join.Rank == 0)
        {
            Progress(_step, 1_000_000, 1);
        }
    }

    private void Progress(long step, long steps, double loss, double? heldOut = null) => _control.Send(new ProgressMessage(
        step, steps, loss, 1e-3, 1000, heldOut, Lineage: _join.Lineage, Generation: _join.Generation, WorldSize: _join.WorldSize));

    private int Stopped()
    {
        if (_join.Rank == 0 && _holds)
        {
            _control.Send(new CheckpointedMessage($"l{_join.Lineage:0000}-g{_join.Generation:0000}-s{_step:00000000}", _start.RunFolder, _step));
        }

        _control.Send(new StoppedMessage(_step));
        return 0;
    }

    private int Finish(string summary)
    {
        _control.Send(new FinishedMessage(summary));
        return 0;
    }

    private int TrainFiveSteps()
    {
        for (var step = 1; step <= 5; step++)
        {
            _control.Send(new AppliedMessage(step, 0.25));
            if (_join.Rank == 0)
            {
                Progress(step, 5, 10.0 / step, step == 5 ? double.NaN : null);
            }
        }

        var sample = new RankSampleMessage(5, 5, 1000, 0.1, 0.2, 0.3, 0.4, 0.05, 0.15, 3 << 20, 4 << 20, _join.Lineage, _join.Generation);
        _control.Send(sample with { ForwardSeconds = double.NaN });
        _control.Send(sample with { Generation = _join.Generation + 1 });
        _control.Send(sample);
        _control.Send(new CheckpointedMessage("l0000-g0001-s00000005", _start.RunFolder));
        return Finish(JsonSerializer.Serialize(new Told(_start, _join)));
    }

    private int StepForLong()
    {
        while (!StopRequested)
        {
            Step();
        }

        return 0;
    }

    private int Graceful()
    {
        _control.Send(new AppliedMessage(1, 0));
        Progress(1, 1000, 1);
        _control.StopRequested.WaitHandle.WaitOne();
        _control.Send(new CheckpointedMessage("l0000-g0001-s00000001", _start.RunFolder));
        return 0;
    }

    private int Talk()
    {
        for (var line = 1; line <= 3; line++)
        {
            Console.Error.WriteLine($"line {line}");
        }

        Thread.Sleep(300);
        _control.Send(new AppliedMessage(7, 0));
        Progress(7, 1000, 1);
        _waiting = true;
        _control.StopRequested.WaitHandle.WaitOne();
        return 0;
    }

    private int CheckpointAndNoise()
    {
        _control.Send(new CheckpointedMessage("l0000-g0001-s00000001", _start.RunFolder, 1, 2, ["l0000-g0001-s00000000"]));
        for (var step = 2; step <= 50; step++)
        {
            Progress(step, 50, 1);
        }

        _control.StopRequested.WaitHandle.WaitOne();
        return 0;
    }

    // Steps that were told before, as after a change of ranks.
    private int Repeat()
    {
        _control.Send(new JoinedMessage(0, _join.Generation, 0, "fresh"));
        foreach (var step in new[] { 1, 2, 3, 2, 3, 4 })
        {
            Progress(step, 4, step);
        }

        return Finish("{}");
    }

    private int StopWithOthers()
    {
        Progress(1, 1000, 1);
        return Stopped();
    }

    private int StandStill(bool waiting)
    {
        for (var step = 0; step < 3; step++)
        {
            Step();
        }

        _waiting = waiting;
        return Sleep();
    }

    private int LateCrash()
    {
        _control.RendezvousSet("alive", [], _join.Generation);
        Thread.Sleep(300);
        return 4;
    }

    private int TellEnvironment()
    {
        string[] names = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "DOTNET_gcServer", "DOTNET_gcConcurrent", "LD_PRELOAD", "LINFORMER_TEST"];
        return Finish(JsonSerializer.Serialize(names.ToDictionary(name => name, Environment.GetEnvironmentVariable)));
    }

    private int Noise()
    {
        Native.Write(1, "{\"type\":\"finished\",\"summaryJson\":\"forged\"}\nnative noise without a line break");
        Console.WriteLine("managed noise");
        Progress(1, 1, 1);
        Native.Write(1, "\u0000more\n");
        return Finish(Console.In.ReadLine() ?? "\"nothing to read\"");
    }

    private int Meet()
    {
        _control.RendezvousSet($"address/{_join.Rank}", Encoding.UTF8.GetBytes($"host:{_join.Rank}"), _join.Generation);
        var addresses = Enumerable.Range(0, _join.WorldSize)
            .Select(rank => Encoding.UTF8.GetString(_control.RendezvousGet($"address/{rank}", _join.Generation, TimeSpan.FromSeconds(60))));
        return Finish(JsonSerializer.Serialize(addresses));
    }

    private int Set(string key, byte[] value, int generation)
    {
        _control.RendezvousSet(key, value, generation);
        return Sleep();
    }

    private int Flood()
    {
        for (var key = 0; key < 1000; key++)
        {
            _control.RendezvousSet($"key/{key}", new byte[500_000], _join.Generation);
        }

        return 0;
    }

    private int DoesNotEnd()
    {
        _control.Send(new FinishedMessage("{}"));
        return Sleep();
    }

    private static int SayJoined(Func<int> next)
    {
        Console.Error.WriteLine("joined");
        return next();
    }

    private static int Sleep()
    {
        Thread.Sleep(Timeout.Infinite);
        return 0;
    }

    private static int Spin()
    {
        while (true)
        {
            Thread.SpinWait(100);
        }
    }

    private void Pulse()
    {
        try
        {
            while (true)
            {
                _control.Send(new PulseMessage(Interlocked.Read(ref _activity), _waiting));
                Thread.Sleep(PulseMilliseconds);
            }
        }
        catch (ObjectDisposedException)
        {
            // The process is about to end.
        }
    }

    private string[] RendezvousWaits()
    {
        string timedOut = "", cancelled = "", tooLong = "";
        var generation = _join.Generation;
        try
        {
            _control.RendezvousGet("nobody", generation, TimeSpan.FromMilliseconds(50));
        }
        catch (TimeoutException e)
        {
            timedOut = e.Message;
        }

        try
        {
            _control.RendezvousGet("nobody", generation, TimeSpan.FromSeconds(60), new CancellationToken(canceled: true));
        }
        catch (OperationCanceledException e)
        {
            cancelled = e.GetType().Name;
        }

        try
        {
            _control.RendezvousSet("large", new byte[2 << 20], generation);
        }
        catch (ArgumentException e)
        {
            tooLong = e.Message;
        }

        // The late value of the requests above must not be taken for this one's.
        _control.RendezvousSet("nobody", [1], generation);
        _control.RendezvousSet("twice", [2], generation);
        _control.RendezvousSet("twice", [3], generation);
        return [timedOut, cancelled, tooLong, Convert.ToHexString(_control.RendezvousGet("twice", generation, TimeSpan.FromSeconds(60)))];
    }
}

/// <summary>What a member was told.</summary>
/// <param name="Start">Its first message.</param>
/// <param name="Join">The generation that it joined.</param>
public sealed record Told(StartMessage Start, JoinMessage Join);
