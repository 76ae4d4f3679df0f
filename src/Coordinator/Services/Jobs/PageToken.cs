using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Linformer.Coordinator.Services.Guard;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Services.Jobs;

/// <summary>Where a page of jobs begins: after which job, and for which filter.</summary>
internal static class PageToken
{
    private const int MaxLength = 64;

    /// <summary>The token of the page after a job.</summary>
    public static string Make(long ordinal, Proto.ListJobsRequest request) => $"{ordinal}.{Filter(request)}";

    /// <summary>The order of submission before which the page begins; null for the first page.</summary>
    /// <exception cref="Grpc.Core.RpcException">The token is not of an answer to such a request.</exception>
    public static long? Read(Proto.ListJobsRequest request)
    {
        var token = request.PageToken;
        if (token.Length == 0)
            return null;
        var dot = token.IndexOf('.', StringComparison.Ordinal);
        if (token.Length > MaxLength || dot < 1 || !long.TryParse(token.AsSpan(0, dot), NumberStyles.None, CultureInfo.InvariantCulture, out var ordinal))
            throw Refusal.Invalid($"page_token {Refusal.Show(token)} is not one that this coordinator made.");
        return token[(dot + 1)..] == Filter(request)
            ? ordinal
            : throw Refusal.Invalid("page_token belongs to another list: states and name_contains have to be those of the page before.");
    }

    private static string Filter(Proto.ListJobsRequest request)
    {
        var text = string.Join(',', request.States.Distinct().Order().Select(state => (int)state)) + "\n" + request.NameContains;
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)))[..8];
    }
}
