using System.Buffers.Text;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Linformer.Coordinator.Services.Guard;
using Linformer.Coordinator.Storage;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Services.Jobs;

/// <summary>Where a page of jobs begins: after which place, and for which filter and order.</summary>
internal static class PageToken
{
    private const int MaxLength = 1024;

    /// <summary>The token of the page after a place.</summary>
    public static string Make(JobPlace place, Proto.ListJobsRequest request) => string.Create(
        CultureInfo.InvariantCulture, $"{place.Ordinal}.{Filter(request)}.{place.Number}.{Base64Url.EncodeToString(Encoding.UTF8.GetBytes(place.Text))}");

    /// <summary>The place after which the page begins; null for the first page.</summary>
    /// <exception cref="Grpc.Core.RpcException">The token is not of an answer to such a request.</exception>
    public static JobPlace? Read(Proto.ListJobsRequest request)
    {
        var token = request.PageToken;
        if (token.Length == 0)
            return null;
        if (token.Length > MaxLength || token.Split('.') is not [var first, var filter, var second, var encoded]
            || !long.TryParse(first, NumberStyles.None, CultureInfo.InvariantCulture, out var ordinal)
            || !long.TryParse(second, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number)
            || !Base64Url.IsValid(encoded))
        {
            throw Refusal.Invalid($"page_token {Refusal.Show(token)} is not one that this coordinator made.");
        }
        return filter == Filter(request)
            ? new JobPlace(ordinal, Encoding.UTF8.GetString(Base64Url.DecodeFromChars(encoded)), Math.Clamp(number, int.MinValue, int.MaxValue))
            : throw Refusal.Invalid("page_token belongs to another list: states, name_contains, submitter, order and reverse have to be those of the page before.");
    }

    private static string Filter(Proto.ListJobsRequest request)
    {
        var states = string.Join(',', request.States.Distinct().Order().Select(state => (int)state));
        var text = $"{states}\n{request.NameContains}\n{request.Submitter}\n{(int)request.Order}\n{request.Reverse}";
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)))[..8];
    }
}
