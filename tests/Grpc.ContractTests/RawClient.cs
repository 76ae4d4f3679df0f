using System.Buffers.Binary;
using System.Net;
using Google.Protobuf;
using Grpc.ContractTests.Contract;

namespace Grpc.ContractTests;

/// <summary>A client of bare HTTP/2, to send what no gRPC client sends.</summary>
internal static class RawClient
{
    public static byte[] Message(IMessage message) => Frame(0, message.ToByteArray());

    public static byte[] Frame(byte flag, byte[] payload, uint? length = null)
    {
        var frame = new byte[5 + payload.Length];
        frame[0] = flag;
        BinaryPrimitives.WriteUInt32BigEndian(frame.AsSpan(1), length ?? (uint)payload.Length);
        payload.CopyTo(frame, 5);
        return frame;
    }

    public static Task<Answer> PostAsync(TestServer server, string method, byte[] body, params (string Name, string Value)[] headers) =>
        SendAsync(server, HttpVersion.Version20, "application/grpc", method, body, headers);

    public static async Task<Answer> SendAsync(
        TestServer server, Version version, string? contentType, string method, byte[] body, params (string Name, string Value)[] headers)
    {
        using var client = new HttpClient();
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(server.Address, $"/contract.v1.Probe/{method}"))
        {
            Version = version,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new ByteArrayContent(body),
        };
        if (contentType != null)
        {
            request.Content.Headers.Add("content-type", contentType);
        }
        foreach (var (name, value) in headers)
        {
            request.Headers.TryAddWithoutValidation(name, value).ShouldBeTrue();
        }
        using var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        var bytes = new MemoryStream();
        try
        {
            await response.Content.CopyToAsync(bytes);
        }
        catch (HttpRequestException)
        {
            // A server resets the stream after the end of a call that it has cancelled.
        }
        string? Find(string name) =>
            response.TrailingHeaders.TryGetValues(name, out var late) ? late.Single()
            : response.Headers.TryGetValues(name, out var early) ? early.Single() : null;
        return new Answer(response.StatusCode, Find("grpc-status"), Find("grpc-message"), Parse(bytes.ToArray()));
    }

    private static List<Part> Parse(ReadOnlySpan<byte> bytes)
    {
        var messages = new List<Part>();
        while (bytes.Length > 0)
        {
            var length = BinaryPrimitives.ReadInt32BigEndian(bytes[1..]);
            messages.Add(Part.Parser.ParseFrom(bytes.Slice(5, length)));
            bytes = bytes[(5 + length)..];
        }
        return messages;
    }

    internal sealed record Answer(HttpStatusCode Http, string? Status, string? Detail, List<Part> Messages);
}
