using System.Text.RegularExpressions;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Linformer.Coordinator.Access;
using Linformer.Coordinator.Services.Guard;
using Linformer.Coordinator.Storage;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Services;

/// <summary>Tokens of people, and the audit log.</summary>
internal sealed partial class TokensService(TokenBook book, ITokenStore tokens, IAuditStore audit, TimeProvider time) : Proto.Tokens.TokensBase
{
    private const int MaxNote = 256;
    private const int ListedTokens = 10_000;
    private const int DefaultPage = 100;
    private const int LargestPage = 1000;

    private static readonly TimeSpan DefaultLifetime = TimeSpan.FromDays(90);
    private static readonly TimeSpan LongestLifetime = TimeSpan.FromDays(5 * 366);

    public override Task<Proto.WhoAmIResponse> WhoAmI(Proto.WhoAmIRequest request, ServerCallContext context)
    {
        var caller = Principal.Of(context);
        return Task.FromResult(new Proto.WhoAmIResponse
        {
            User = caller.User,
            Role = caller.Role,
            TokenId = caller.TokenId,
            ExpiresAt = caller.ExpiresAt is { } end ? Timestamp.FromDateTimeOffset(end) : null,
        });
    }

    public override async Task<Proto.CreateTokenResponse> Create(Proto.CreateTokenRequest request, ServerCallContext context)
    {
        if (!UserPattern().IsMatch(request.User) || TokenText.IdIn(request.User) is not null)
            throw Refusal.Invalid($"user {Refusal.Show(request.User)} is not a user's name: 1 to 64 letters, digits and ._@- , and no token.");
        if (RoleNames.Of(request.Role).Length == 0)
            throw Refusal.Invalid($"role is {(int)request.Role}; viewer, submitter and admin are allowed.");
        if (request.LifetimeSeconds < 0 || request.LifetimeSeconds > (long)LongestLifetime.TotalSeconds)
            throw Refusal.Invalid($"lifetime_seconds is {request.LifetimeSeconds}; 1 to {(long)LongestLifetime.TotalSeconds} (5 years) are allowed, and 0 for {(int)DefaultLifetime.TotalDays} days.");
        Refusal.CheckText("note", request.Note, MaxNote);
        var lifetime = request.LifetimeSeconds == 0 ? DefaultLifetime : TimeSpan.FromSeconds(request.LifetimeSeconds);
        var (token, text) = await book.CreateAsync(request.User, request.Role, lifetime, TokenText.Mask(request.Note), Principal.Of(context).User);
        return new Proto.CreateTokenResponse { Token = ToProto(token), Secret = text };
    }

    public override async Task<Proto.ListTokensResponse> List(Proto.ListTokensRequest request, ServerCallContext context)
    {
        var caller = Principal.Of(context);
        var rows = await tokens.ListAsync(
            caller.Role >= Proto.Role.Admin ? "" : caller.User, request.All ? null : time.GetUtcNow(), ListedTokens, context.CancellationToken);
        return new Proto.ListTokensResponse { Tokens = { rows.Select(ToProto) } };
    }

    public override async Task<Proto.Token> Revoke(Proto.RevokeTokenRequest request, ServerCallContext context)
    {
        var caller = Principal.Of(context);
        if (!TokenText.IsId(request.Id))
            throw Refusal.Invalid("id is not a token's id: the 8 letters and digits that the list of tokens shows, and that follow lft_ in the token itself.");
        var row = await tokens.FindAsync(request.Id, context.CancellationToken) ?? throw Refusal.NotFound($"There is no token '{request.Id}'.");
        caller.RequireOwner($"Token {row.Id}", $"person:{row.User}");
        return ToProto(await book.RevokeAsync(row.Id) ?? throw Refusal.NotFound($"There is no token '{request.Id}'."));
    }

    public override async Task<Proto.AuditResponse> Audit(Proto.AuditRequest request, ServerCallContext context)
    {
        if (request.PageSize is < 0 or > LargestPage)
            throw Refusal.Invalid($"page_size is {request.PageSize}; 1 to {LargestPage} are allowed, and 0 for {DefaultPage}.");
        if (request.After < 0)
            throw Refusal.Invalid($"after is {request.After}; 0 or more are allowed.");
        if (request is { Newest: true, After: > 0 })
            throw Refusal.Invalid("newest and after are both set; a page is either the newest or begins after an entry.");
        Refusal.CheckText("user", request.User, MaxNote);
        var size = request.PageSize == 0 ? DefaultPage : request.PageSize;
        if (request.Newest)
            return new Proto.AuditResponse { Entries = { (await audit.NewestAsync(request.User, size, context.CancellationToken)).Select(ToProto) } };
        var rows = await audit.ReadAfterAsync(request.After, request.User, size + 1, context.CancellationToken);
        return new Proto.AuditResponse { Entries = { rows.Take(size).Select(ToProto) }, More = rows.Count > size };
    }

    private static Proto.Token ToProto(TokenRow row) => new()
    {
        Id = row.Id,
        User = row.User,
        Role = row.Role,
        Note = row.Note,
        CreatedBy = row.CreatedBy,
        CreatedAt = Timestamp.FromDateTimeOffset(row.CreatedAt),
        ExpiresAt = Timestamp.FromDateTimeOffset(row.ExpiresAt),
        RevokedAt = row.RevokedAt is { } at ? Timestamp.FromDateTimeOffset(at) : null,
    };

    private static Proto.AuditEntry ToProto(AuditRow row) => new()
    {
        Sequence = row.Sequence,
        At = Timestamp.FromDateTimeOffset(row.At),
        User = row.User,
        Role = row.Role,
        TokenId = row.TokenId,
        Peer = row.Peer,
        Method = row.Method,
        Target = row.Target,
        Outcome = row.Outcome,
    };

    [GeneratedRegex("^[A-Za-z0-9._@-]{1,64}\\z", RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex UserPattern();
}
