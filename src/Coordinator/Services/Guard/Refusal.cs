using Grpc.Core;
using Linformer.Coordinator.Access;

namespace Linformer.Coordinator.Services.Guard;

/// <summary>Errors that a caller is answered with. The message names the thing, its value, and what is allowed.</summary>
internal static class Refusal
{
    // Values come from outside; a message shows so much of them.
    private const int ShownLength = 80;

    /// <summary>The request itself is wrong.</summary>
    public static RpcException Invalid(string message) => new(new Status(StatusCode.InvalidArgument, message));

    /// <summary>There is no such thing.</summary>
    public static RpcException NotFound(string message) => new(new Status(StatusCode.NotFound, message));

    /// <summary>Not in the present state.</summary>
    public static RpcException Precondition(string message) => new(new Status(StatusCode.FailedPrecondition, message));

    /// <summary>Who calls is not known.</summary>
    public static RpcException Unauthenticated(string message) => new(new Status(StatusCode.Unauthenticated, message));

    /// <summary>Who calls is known, and may not do it.</summary>
    public static RpcException Denied(string message) => new(new Status(StatusCode.PermissionDenied, message));

    /// <summary>Too much at once.</summary>
    public static RpcException Exhausted(string message) => new(new Status(StatusCode.ResourceExhausted, message));

    /// <summary>Not now; another try may succeed.</summary>
    public static RpcException Unavailable(string message) => new(new Status(StatusCode.Unavailable, message));

    /// <summary>A value as messages show it: quoted, short, nothing that moves a terminal's cursor, and no token's secret.</summary>
    public static string Show(string value) => $"'{Plain(value)}'";

    /// <summary>The same without quotes.</summary>
    public static string Plain(string value)
    {
        value = TokenText.Mask(value);
        var shown = value.Length > ShownLength ? value[..ShownLength] + "…" : value;
        return string.Concat(shown.Select(character => char.IsControl(character) ? '?' : character));
    }

    /// <summary>Checks a text's length and that it has no control characters.</summary>
    /// <param name="field">The field's name.</param>
    /// <param name="value">Its value.</param>
    /// <param name="maximum">Most characters.</param>
    public static void CheckText(string field, string value, int maximum)
    {
        if (value.Length > maximum)
            throw Invalid($"{field} has {value.Length:#,0} characters; at most {maximum:#,0} are allowed.");
        if (value.Any(char.IsControl))
            throw Invalid($"{field} {Show(value)} has a line break or a control character.");
    }
}
