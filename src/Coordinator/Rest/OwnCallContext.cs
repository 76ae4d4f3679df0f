using Linformer.Coordinator.Access;
using Linformer.Coordinator.Services.Guard;
using Linformer.Protocol.V1;

namespace Linformer.Coordinator.Rest;

/// <summary>A call that this program makes to itself, as one who may see everything and change nothing.</summary>
internal sealed class OwnCallContext(string method, CancellationToken cancellationToken) : InnerCallContext(method, cancellationToken)
{
    private static readonly Principal Self = new(PrincipalKind.Open, "coordinator", Role.Viewer, "");

    protected override IDictionary<object, object> UserStateCore { get; } = new Dictionary<object, object> { [typeof(Principal)] = Self };
}
