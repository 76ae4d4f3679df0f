using Linformer.Training.ProcessGroups;
using Linformer.Worker.RankProtocol;

namespace Linformer.Worker.Ranks;

/// <summary>Ranks meet through the launcher that started them.</summary>
/// <param name="control">This rank's control pipe.</param>
internal sealed class ControlPipeRendezvous(RankControl control) : IRendezvousStore
{
    public void Set(string key, ReadOnlySpan<byte> value) => control.RendezvousSet(key, value);

    public byte[] Get(string key, TimeSpan timeout, CancellationToken cancellationToken = default) =>
        control.RendezvousGet(key, timeout, cancellationToken);
}
