using Grpc.Core;
using Linformer.Coordinator.Hosting;
using Linformer.Coordinator.Services.Guard;
using Linformer.Protocol.V1;
using Linformer.Protocol.Wire;
using Microsoft.AspNetCore.Http;

namespace Linformer.Coordinator.Access;

/// <summary>Recognises callers by what they show. Nothing of a request but its headers is read for that.</summary>
internal sealed class Authenticator
{
    private readonly CoordinatorOptions _options;
    private readonly BootstrapTokens _bootstrap;
    private readonly TokenBook _book;
    private readonly WrongTokens _wrong;
    private readonly ClientCertificates? _certificates;

    public Authenticator(CoordinatorOptions options, BootstrapTokens bootstrap, TokenBook book, TimeProvider time)
    {
        (_options, _bootstrap, _book) = (options, bootstrap, book);
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
        var shown = Token(http);
        var hash = TokenText.Hash(shown ?? "");
        var (caller, why) = worker ? Worker(http, shown, hash) : Person(http, shown, hash);
        if (caller is not null)
            return (caller, null);
        var address = http.Connection.RemoteIpAddress;
        // Who shows a good token is served all the same: others may come from the same address.
        if (_wrong.TooMany(address))
            return (null, Refusal.Exhausted($"{_options.Limits.WrongTokensPerMinute:#,0} wrong tokens came from this address within a minute, the most that are looked at. Try again in a minute."));
        if (shown is not null && !IsKnown(shown, hash))
            _wrong.Add(address);
        return (null, Refusal.Unauthenticated(why!));
    }

    // One who takes a person's token for a worker's guesses nothing.
    private bool IsKnown(string shown, byte[] hash) => _book.Recognise(shown) is not null || _bootstrap.Admin.Has(hash) || _bootstrap.Join.Has(hash);

    private (Principal? Caller, string? Why) Person(HttpContext http, string? shown, byte[] hash)
    {
        if (shown is null)
            return IsOpen(http) ? (Principal.Open, null) : (null, Missing("user token", $"An admin makes one with 'linformer tokens create'; the first one {Where(_options.AdminTokenFile, "user-token")}"));
        if (_book.Recognise(shown) is { } person)
            return (person, null);
        if (_bootstrap.Admin.Has(hash))
            return (FromFile(_bootstrap.Admin, hash, PrincipalKind.Person, Principal.Admin, Role.Admin), null);
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

    private bool IsOpen(HttpContext http) => _options.Authentication switch
    {
        AuthenticationMode.Always => false,
        AuthenticationMode.NeverEvenFromNetwork => true,
        _ => Listeners.IsLoopback(http),
    };

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
