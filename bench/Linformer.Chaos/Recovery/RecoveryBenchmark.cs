using System.Collections.Immutable;
using Linformer.Chaos.Network;

namespace Linformer.Chaos.Recovery;

/// <summary>Measures how this system and PyTorch's elastic agent get over the loss of one of two ranks, in one run.</summary>
public static class RecoveryBenchmark
{
    /// <summary>What the elastic agent waits between two looks at its ranks unless it is told otherwise, and a short wait; in seconds.</summary>
    private static readonly double[] Intervals = [5, 0.1];

    /// <summary>Measures; this system comes first.</summary>
    /// <param name="options">What to do.</param>
    /// <param name="cancellationToken">Ends it early.</param>
    /// <exception cref="InvalidOperationException">PyTorch is not there, or a system did not work.</exception>
    public static async Task<ImmutableArray<RecoveryMeasures>> RunAsync(RecoveryOptions options, CancellationToken cancellationToken)
    {
        if (!await ElasticRecovery.IsThereAsync(cancellationToken))
            throw new InvalidOperationException("PyTorch is missing, beside which is measured: install the Debian package python3-torch.");
        if (!MachineNetwork.IsPossible)
            options.OnLine("The cut of a network is left out: it needs root, ip and tc.");
        var results = new List<RecoveryMeasures> { await new LinformerRecovery(options).MeasureAsync(cancellationToken) };
        var peers = Intervals.Select(interval => new ElasticRecovery(options, interval)).ToList();
        foreach (var peer in peers)
            results.Add(await peer.KillAsync(cancellationToken));

        // What is not noticed takes all of the waiting time: with both settings at once.
        var stopped = await Task.WhenAll(peers.Select(peer => peer.StopAsync(cancellationToken)));
        var cut = MachineNetwork.IsPossible ? await Task.WhenAll(peers.Select(peer => peer.CutAsync(cancellationToken))) : new TimeSpan?[peers.Count];
        for (var i = 0; i < peers.Count; i++)
            results[i + 1] = results[i + 1] with { StoppedNoticed = stopped[i], CutNoticed = cut[i] };
        return [.. results];
    }
}
