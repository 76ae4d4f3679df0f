using Grpc.Core;
using Linformer.Coordinator.Services.Guard;
using Linformer.Protocol.V1;

namespace Linformer.Coordinator.Access;

/// <summary>How a caller was recognised.</summary>
internal enum PrincipalKind
{
    /// <summary>Not at all, on a listener that asks for nothing.</summary>
    Open,

    /// <summary>A person, by a token.</summary>
    Person,

    /// <summary>A worker, by a join token or a certificate.</summary>
    Worker,
}

/// <summary>Who calls.</summary>
/// <param name="Kind">How that is known.</param>
/// <param name="User">The person's name; of a worker what its certificate says, or nothing.</param>
/// <param name="Role">What a person may do.</param>
/// <param name="TokenId">The public name of what was shown; empty for nothing.</param>
internal sealed record Principal(PrincipalKind Kind, string User, Role Role, string TokenId)
{
    /// <summary>The user of bootstrap tokens.</summary>
    public const string Admin = "admin";

    private const string Nobody = "local";

    /// <summary>Everybody on a listener that asks for nothing.</summary>
    public static Principal Open { get; } = new(PrincipalKind.Open, Nobody, Role.Admin, "");

    /// <summary>When what was shown runs out; null for never.</summary>
    public DateTimeOffset? ExpiresAt { get; init; }

    /// <summary>The only name that a worker may take; null for any.</summary>
    public string? WorkerName { get; init; }

    /// <summary>Why the caller is not recognised any more, for calls that last; null while it is.</summary>
    public Func<RpcException?> Ended { get; init; } = () => null;

    /// <summary>The role as the audit log and messages show it.</summary>
    public string RoleName => Kind == PrincipalKind.Worker ? "worker" : RoleNames.Of(Role);

    /// <summary>Who calls, for histories: the token's user, or on a listener that asks for none the name that the request gives.</summary>
    /// <param name="given">What the request gives; may be empty.</param>
    public string PersonName(string given) => $"person:{(Kind != PrincipalKind.Open ? User : given.Length == 0 ? "unknown" : given)}";

    /// <summary>Who calls, for the audit log; a name that nobody has proved stands in brackets.</summary>
    /// <param name="given">What the request gives; may be empty.</param>
    public string AuditName(string given) => Kind == PrincipalKind.Open && given.Length > 0 ? $"{User} ({given})" : User;

    /// <summary>Refuses to change what is somebody else's, unless the caller is an admin.</summary>
    /// <param name="thing">What it is, for the message: "Job x".</param>
    /// <param name="owner">Whose it is, as <see cref="PersonName"/> says it.</param>
    public void RequireOwner(string thing, string owner)
    {
        if (Role < Role.Admin && owner != PersonName(""))
            throw Refusal.Denied($"{thing} belongs to {owner}; the user '{User}' with the role {RoleName} may change only what is its own. Ask the owner or an admin.");
    }

    /// <summary>The caller of a call that the gate has let in.</summary>
    /// <exception cref="RpcException">The gate has not: a mistake in this program, answered as a call by nobody.</exception>
    public static Principal Of(ServerCallContext context) =>
        context.UserState.TryGetValue(typeof(Principal), out var known) && known is Principal principal
            ? principal
            : throw Refusal.Unauthenticated("The caller is not known.");
}

/// <summary>Roles as people write them.</summary>
internal static class RoleNames
{
    /// <summary>"viewer", "submitter" or "admin".</summary>
    public static string Of(Role role) => role switch
    {
        Role.Viewer => "viewer",
        Role.Submitter => "submitter",
        Role.Admin => "admin",
        _ => "",
    };
}
