using Grpc.Core;
using Linformer.Coordinator.Access;
using Linformer.Coordinator.Services.Guard;
using Microsoft.AspNetCore.Http;

namespace Linformer.Coordinator.Rest;

/// <summary>Logging in and out, for browsers.</summary>
internal sealed class SessionRoutes(Authenticator authenticator, RestCalls calls)
{
    /// <summary>Where.</summary>
    public const string Pattern = RestRoute.Root + "session";

    private const int MaxBody = 4 << 10;
    private const string Field = "token";

    /// <summary>Takes a token, <c>{"token": "…"}</c>, and gives a cookie for it: 204.</summary>
    public Task LogInAsync(HttpContext http) => calls.HandleAsync(http, async () =>
    {
        var token = await ShownAsync(http);
        var (caller, refused) = authenticator.Recognise(http, token);
        if (caller is null)
            throw refused!;
        SessionCookie.Set(http, authenticator.MakeSession(caller, token));
        http.Response.StatusCode = StatusCodes.Status204NoContent;
    });

    /// <summary>Takes the cookie back: 204, also without one.</summary>
    public Task LogOutAsync(HttpContext http) => calls.HandleAsync(http, () =>
    {
        SessionCookie.Clear(http);
        http.Response.StatusCode = StatusCodes.Status204NoContent;
        return Task.CompletedTask;
    });

    // What is no token costs as much to look at as a wrong one.
    private async Task<string> ShownAsync(HttpContext http)
    {
        try
        {
            return await TokenAsync(http);
        }
        catch (Exception exception) when (exception is RpcException or BadHttpRequestException)
        {
            authenticator.CountFailure(http);
            throw;
        }
    }

    private static async Task<string> TokenAsync(HttpContext http)
    {
        RequestBody.Require(http, RequestBody.Json);
        using var json = RequestBody.Parse(await RequestBody.ReadAsync(http, MaxBody));
        var properties = json.RootElement.EnumerateObject().ToList();
        // What there is instead is not shown: it may be a token under another name.
        if (properties is not [{ Name: Field, Value: var value }] || value.ValueKind != System.Text.Json.JsonValueKind.String)
            throw Refusal.Invalid($"The body is not {{\"{Field}\": TEXT}} with a user token.");
        var token = value.GetString()!.Trim();
        return token.Length is > 0 and <= TokenFile.LongestToken && token.All(char.IsAscii)
            ? token
            : throw Refusal.Invalid($"{Field} has {token.Length:#,0} characters; 1 to {TokenFile.LongestToken:#,0} of ASCII are allowed.");
    }
}
