using Grpc.Core;
using Linformer.Coordinator.Hosting;
using Linformer.Coordinator.Rest;
using Linformer.Coordinator.Services.Guard;
using Linformer.Coordinator.Storage;
using Linformer.Protocol.V1;
using Linformer.Protocol.Wire;
using Microsoft.AspNetCore.Http;

namespace Linformer.Coordinator.Access;

/// <summary>Recognises callers by what they show. Nothing of a request but its headers is read for that.</summary>
internal sealed class Authenticator
{
    private const string SessionEnded = "The session has ended, by its time or with its token, or is none. Log in with a user token.";

    private readonly CoordinatorOptions _options;
    private readonly BootstrapTokens _bootstrap;
    private readonly TokenBook _book;
    private readonly WrongTokens _wrong;
    private readonly StorageId _storage;
    private readonly TimeProvider _time;
    private readonly ClientCertificates? _certificates;

    public Authenticator(CoordinatorOptions options, BootstrapTokens bootstrap, TokenBook book, StorageId storage, TimeProvider time)
    {
        (_options, _bootstrap, _book, _storage, _time) = (options, bootstrap, book, storage, time);
        _wrong = new WrongTokens(options.Limits.WrongTokensPerMinute, time);
        if (options.WorkerAuthorities is { } authorities)
            _certificates = new ClientCertificates(authorities, time);
    }

    /// <summary>Recognises who calls.</summary>
    /// <param name="http">The call.</param>
    /// <param name="worker">Whether a worker is asked for, rather than a person.</param>
    /// <returns>The caller, or the answer if there is none.</returns>
    public (Principal? Caller, RpcException? Refused) Recognise(HttpContext http, bool worker)
    {
        // Browsers alone show a cookie, and they come over HTTP.
        if (!worker && http.Request.Headers.Authorization.Count == 0 && Listeners.IsHttp(http) && SessionCookie.Of(http) is { } session)
            return RecogniseSession(http, session);
        var shown = Token(http);
        return Settle(http, shown, TokenText.Hash(shown ?? ""), worker);
    }

    private (Principal? Caller, RpcException? Refused) Settle(HttpContext http, string? shown, byte[] hash, bool worker)
    {
        var (caller, why) = worker ? Worker(http, shown, hash) : Person(http, shown, hash);
        return caller is not null ? (caller, null) : (null, Refuse(http, why!, isGuess: shown is not null && !IsKnown(shown, hash)));
    }

    private (Principal? Caller, RpcException? Refused) RecogniseSession(HttpContext http, string shown)
    {
        var session = SealedSession.Parse(shown);
        var caller = session is null ? null : Owner(session);
        if (caller is not null && session!.End > _time.GetUtcNow())
            return (Until(caller, session.End), null);
        // One of another coordinator at the same name opens nothing, and closes nothing that is open.
        return IsOpen(http) ? (Principal.Open, null) : (null, Refuse(http, SessionEnded, isGuess: caller is null));
    }

    private Principal? Owner(SealedSession session) =>
        _book.Recognise(session, _storage) ?? (_bootstrap.Admin.Of(session, _storage) is { } hash ? FirstAdmin(hash) : null);

    private Principal Until(Principal caller, DateTimeOffset end) => caller with
    {
        ExpiresAt = end,
        Ended = () => _time.GetUtcNow() < end ? caller.Ended() : Refusal.Unauthenticated(SessionEnded),
    };

    private RpcException Refuse(HttpContext http, string why, bool isGuess)
    {
        var address = http.Connection.RemoteIpAddress;
        // Who shows a good token is served all the same: others may come from the same address.
        if (_wrong.TooMany(address))
            return Refusal.Exhausted($"{_options.Limits.WrongTokensPerMinute:#,0} wrong tokens came from this address within a minute, the most that are looked at. Try again in a minute.");
        if (isGuess)
            _wrong.Add(address);
        return Refusal.Unauthenticated(why);
    }

    /// <summary>Counts a login that shows nothing that could be a token as a wrong one.</summary>
    /// <exception cref="RpcException">There were too many.</exception>
    public void CountFailure(HttpContext http)
    {
        if (Refuse(http, "", isGuess: true) is { StatusCode: StatusCode.ResourceExhausted } exhausted)
            throw exhausted;
    }

    /// <summary>Makes a session of a token that was recognised.</summary>
    /// <param name="caller">Who has shown it.</param>
    /// <param name="token">The token.</param>
    public SealedSession MakeSession(Principal caller, string token) => SealedSession.Make(caller, TokenText.Hash(token), _storage, _time.GetUtcNow());

    /// <summary>Recognises a person by a token that is not in the headers.</summary>
    /// <param name="http">The call that shows it.</param>
    /// <param name="shown">The token.</param>
    /// <returns>The person, or the answer if there is none.</returns>
    public (Principal? Caller, RpcException? Refused) Recognise(HttpContext http, string shown) => Settle(http, shown, TokenText.Hash(shown), worker: false);

    // One who takes a person's token for a worker's guesses nothing.
    private bool IsKnown(string shown, byte[] hash) => _book.Recognise(shown) is not null || _bootstrap.Admin.Has(hash) || _bootstrap.Join.Has(hash);

    private (Principal? Caller, string? Why) Person(HttpContext http, string? shown, byte[] hash)
    {
        if (shown is null)
            return IsOpen(http) ? (Principal.Open, null) : (null, Missing("user token", $"An admin makes one with 'linformer tokens create'; the first one {Where(_options.AdminTokenFile, "user-token")}"));
        if (_book.Recognise(shown) is { } person)
            return (person, null);
        if (_bootstrap.Admin.Has(hash))
            return (FirstAdmin(hash), null);
        return (null, _bootstrap.Join.Has(hash)
            ? "The user token is wrong: what was shown is a join token, which is for workers."
            : $"The user token is wrong, or has expired or was revoked. An admin makes one with 'linformer tokens create'; the first one {Where(_options.AdminTokenFile, "user-token")}");
    }

    private (Principal? Caller, string? Why) Worker(HttpContext http, string? shown, byte[] hash)
    {
        if (shown is not null && _bootstrap.Join.Has(hash))
            return (FromFile(_bootstrap.Join, hash, PrincipalKind.Worker, "", Role.Unspecified), null);
        var (worker, why) = _certificates?.Recognise(http) ?? (null, null);
        if (worker is not null)
            return (worker, null);
        var where = $"It {Where(_options.JoinTokenFile, "join-token")}{(_certificates is null ? "" : " A client certificate of an authority that the coordinator trusts does as well.")}{(why is null ? "" : " " + why)}";
        return (null, shown is null ? Missing("join token", where) : $"The join token is wrong. {where}");
    }

    /// <summary>Whether a call came in where nobody is asked who they are.</summary>
    public bool IsOpen(HttpContext http) => _options.Authentication switch
    {
        AuthenticationMode.Always => false,
        AuthenticationMode.NeverEvenFromNetwork => true,
        _ => Listeners.IsLoopback(http),
    };

    private Principal FirstAdmin(byte[] hash) => FromFile(_bootstrap.Admin, hash, PrincipalKind.Person, Principal.Admin, Role.Admin);

    private static Principal FromFile(TokenFile file, byte[] hash, PrincipalKind kind, string user, Role role) => new(kind, user, role, file.Name)
    {
        Ended = () => file.Has(hash) ? null : Refusal.Unauthenticated($"The {file.Name} that was shown is not one any more."),
    };

    private static string Missing(string name, string where) =>
        $"The {name} is missing: '{MetadataNames.Authorization}: {MetadataNames.BearerPrefix}TOKEN' is required. {where}";

    private static string Where(string? given, string name) =>
        given is null ? $"is in the file coordinator/{name} of the coordinator's data folder." : $"is in the file that the coordinator was given as its {name}.";

    // Something else than a token counts as a wrong one.
    private static string? Token(HttpContext http)
    {
        var header = http.Request.Headers.Authorization;
        if (header.Count == 0)
            return null;
        var text = header.ToString();
        return text.StartsWith(MetadataNames.BearerPrefix, StringComparison.OrdinalIgnoreCase) ? text[MetadataNames.BearerPrefix.Length..].Trim() : "";
    }
}
