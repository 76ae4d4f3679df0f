using Grpc.AspNetCore.Server;
using Grpc.Core;
using Linformer.Coordinator.Services.Guard;
using Microsoft.AspNetCore.Http;

namespace Linformer.Coordinator.Access;

/// <summary>
/// How many calls a user may have that are not answered yet, from the headers on: the message of each takes memory while it comes, as
/// slowly as the caller likes. A stream of answers counts until its request is there, and is bounded by <see cref="StreamLimit"/> then.
/// </summary>
internal sealed class WaitingCalls
{
    private const int MaximumOfUser = 64;

    private readonly UserPlaces _users = new(MaximumOfUser);

    /// <summary>Takes a place for a call.</summary>
    /// <param name="http">The call.</param>
    /// <param name="caller">Who calls. Workers and who came in without being asked have no limit.</param>
    /// <returns>The place, to be given back when the call is over; or why there is none.</returns>
    public (IDisposable? Place, RpcException? Refused) Enter(HttpContext http, Principal caller)
    {
        if (caller.Kind != PrincipalKind.Person)
            return (null, null);
        if (_users.TryEnter(caller.User) is not { } place)
            return (null, Refusal.Exhausted($"The user '{caller.User}' has {MaximumOfUser} calls open that are not answered yet, the most of one user. Try again when one is."));
        http.Items[typeof(WaitingCalls)] = place;
        return (place, null);
    }

    /// <summary>Gives the place of a stream back, whose request is there.</summary>
    public static void LeaveStream(HttpContext http)
    {
        var metadata = http.GetEndpoint()?.Metadata;
        if (metadata?.GetMetadata<GrpcMethodMetadata>() is { Method.Type: not MethodType.Unary } || metadata?.GetMetadata<CalledMethod>() is { Streams: true })
            (http.Items[typeof(WaitingCalls)] as IDisposable)?.Dispose();
    }
}
