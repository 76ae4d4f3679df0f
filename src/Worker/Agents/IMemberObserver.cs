using Linformer.Worker.Local;
using Linformer.Worker.RankProtocol;
using V1 = Linformer.Protocol.V1;

namespace Linformer.Worker.Agents;

/// <summary>What a member tells its group.</summary>
internal interface IMemberObserver
{
    /// <summary>Its status has changed.</summary>
    /// <param name="urgent">Whether it is more than progress.</param>
    void Changed(bool urgent);

    /// <summary>Something to record.</summary>
    void Record(int member, V1.TelemetryItem item);

    /// <summary>It has set a rendezvous value.</summary>
    /// <exception cref="RankProtocolException">It may not.</exception>
    void Published(MemberState state, RendezvousSetMessage value);
}
