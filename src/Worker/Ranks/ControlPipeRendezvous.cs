using Linformer.Training.ProcessGroups;
using Linformer.Worker.RankProtocol;

namespace Linformer.Worker.Ranks;

/// <summary>Ranks meet through the launcher that started them.</summary>
/// <param name="control">This rank's control pipe.</param>
/// <param name="generation">The generation that they form.</param>
internal sealed class ControlPipeRendezvous(RankControl control, int generation) : IRendezvousStore
{
    public void Set(string key, ReadOnlySpan<byte> value) => control.RendezvousSet(key, value, generation);

    public byte[] Get(string key, TimeSpan timeout, CancellationToken cancellationToken = default) =>
        control.RendezvousGet(key, generation, timeout, cancellationToken);
}
