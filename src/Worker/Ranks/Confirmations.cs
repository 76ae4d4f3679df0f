using System.Collections.Concurrent;
using System.Text;
using Linformer.Training.ProcessGroups;
using Linformer.Worker.RankProtocol;

namespace Linformer.Worker.Ranks;

/// <summary>
/// Holds back what is told of a step until every rank of the generation has applied it, so that a step which is recorded as
/// committed is held by all of them. The barrier that shows it runs beside the next step. Every rank remembers what it would
/// tell of the last steps: whoever told it before may be lost, and with it what it told.
/// </summary>
internal sealed class Confirmations : IDisposable
{
    private const int Remembered = 256;

    private readonly Action<ProgressMessage> _report;
    private readonly LinkedList<ProgressMessage> _recent = new();
    private readonly BlockingCollection<(IWork Barrier, ProgressMessage? Message)> _waiting = [];
    private readonly Thread _thread;
    private readonly object _idle = new();
    private int _unfinished;

    /// <summary>Starts the thread that waits for the others.</summary>
    /// <param name="report">Told of each step that all ranks have applied, on that thread or the training thread.</param>
    public Confirmations(Action<ProgressMessage> report)
    {
        _report = report;
        _thread = new Thread(WaitForOthers) { IsBackground = true, Name = "confirmations" };
        _thread.Start();
    }

    /// <summary>Remembers what is to be told of a step that this rank has applied; of a step, the newest counts.</summary>
    public void Keep(ProgressMessage message)
    {
        while (_recent.Last?.Value.Step >= message.Step)
        {
            _recent.RemoveLast();
        }

        _recent.AddLast(message);
        if (_recent.Count > Remembered)
        {
            _recent.RemoveFirst();
        }
    }

    /// <summary>What is remembered of a step; null for nothing.</summary>
    public ProgressMessage? Of(long step) => _recent.LastOrDefault(message => message.Step == step);

    /// <summary>Lets the newest step that was kept be told once all ranks have come here.</summary>
    /// <param name="group">The generation's group; all its ranks call this after the same step.</param>
    /// <param name="report">Whether this rank tells.</param>
    /// <returns>Completes when all ranks have come here.</returns>
    public IWork Confirm(IProcessGroup group, bool report)
    {
        var barrier = group.Barrier();
        lock (_idle)
        {
            _unfinished++;
        }

        _waiting.Add((barrier, report ? _recent.Last?.Value : null));
        return barrier;
    }

    /// <summary>Waits until everything that could be told has been told.</summary>
    public void Flush()
    {
        lock (_idle)
        {
            while (_unfinished > 0)
            {
                Monitor.Wait(_idle);
            }
        }
    }

    /// <summary>What a rank that takes over this one's state should remember.</summary>
    public byte[] Export() => [.. _recent.SelectMany(RankMessageCodec.ToLine)];

    /// <summary>Remembers what the rank has exported whose state this one has taken over.</summary>
    public void Import(byte[] exported)
    {
        _recent.Clear();
        foreach (var line in Encoding.UTF8.GetString(exported).Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            Keep((ProgressMessage)RankMessageCodec.ReadRankMessage(Encoding.UTF8.GetBytes(line)));
        }
    }

    /// <summary>Forgets steps that are in no state any more: training goes on from an earlier one.</summary>
    public void ForgetAfter(long step)
    {
        while (_recent.Last?.Value.Step > step)
        {
            _recent.RemoveLast();
        }
    }

    /// <summary>Tells all that is remembered; what was told before is recorded once.</summary>
    public void TellAll()
    {
        foreach (var message in _recent)
        {
            _report(message);
        }
    }

    public void Dispose()
    {
        _waiting.CompleteAdding();
        _thread.Join();
        _waiting.Dispose();
    }

    private void WaitForOthers()
    {
        foreach (var (barrier, message) in _waiting.GetConsumingEnumerable())
        {
            try
            {
                barrier.Wait();
                if (message is not null)
                {
                    _report(message);
                }
            }
            catch (ProcessGroupException)
            {
                // The training thread learns of it by itself.
            }

            lock (_idle)
            {
                _unfinished--;
                Monitor.PulseAll(_idle);
            }
        }
    }
}
