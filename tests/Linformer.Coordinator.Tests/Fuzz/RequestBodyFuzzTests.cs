using System.Net;
using System.Text;
using System.Text.Json;
using Grpc.Core;
using Linformer.Coordinator.Rest;
using Linformer.Coordinator.Tests.Services;
using Linformer.Fuzzing;
using Xunit.Abstractions;

namespace Linformer.Coordinator.Tests.Fuzz;

/// <summary>Bodies of calls over HTTP, damaged: they are read, or refused in words.</summary>
public sealed class RequestBodyFuzzTests(ITestOutputHelper output)
{
    private static readonly string[] Words = ["\\ud800", "\\udc00", "\\u0000", "\\ud83d\\ude00", "null", "true", "1e999", "{}", "[]", "user", "role", "\"", ",", ":"];

    [Fact]
    public void Of_what_is_taken_every_name_and_text_can_be_read() => Fuzzer(
        "JSON body", 20_000, """{"token":"lft_abcdefgh"}""", """{"a":["\ud83d\ude00",{"\u00e9":null}],"b":1.5,"c":true}""", """{"\ud83d\ude00":{"x":"\n"}}""").Run(
        body =>
        {
            using var json = RequestBody.Parse(body);
            Read(json.RootElement);
        },
        output);

    [Theory]
    [InlineData("jobs/none/go-back", """{"checkpoint":"l0000-g0001-s00000005","skipSteps":3,"why":"\u0061da"}""", HttpStatusCode.NotFound)]
    [InlineData("session", """{"token":"lft_abcdefgh_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}""", HttpStatusCode.Unauthorized)]
    public async Task Calls_are_answered_or_refused(string path, string good, HttpStatusCode taken)
    {
        await using var coordinator = await TestCoordinator.StartAsync(change: options => options with { Limits = new UserLimits { WrongTokensPerMinute = int.MaxValue } });
        using var http = new HttpClient { BaseAddress = coordinator.Host.HttpAddresses[0], Timeout = TimeSpan.FromSeconds(60) };
        http.DefaultRequestHeaders.Add("X-Linformer", "1");
        var fuzzer = Fuzzer(path.Replace('/', '.'), 400, good);
        fuzzer.Run(body => Call(http, "/api/v1/" + path, body, taken), output);
    }

    private static void Call(HttpClient http, string path, byte[] body, HttpStatusCode taken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new ByteArrayContent(body) { Headers = { { "Content-Type", "application/json" } } } };
        using var response = http.Send(request);
        using var reader = new StreamReader(response.Content.ReadAsStream());
        var text = reader.ReadToEnd();
        if (response.StatusCode is HttpStatusCode.BadRequest or HttpStatusCode.RequestEntityTooLarge)
            throw new RpcException(new Status(StatusCode.InvalidArgument, text));
        response.StatusCode.ShouldBe(taken, text);
    }

    private static void Read(JsonElement element)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object:
                foreach (var property in element.EnumerateObject())
                {
                    property.Name.ShouldNotBeNull();
                    Read(property.Value);
                }
                break;
            case JsonValueKind.Array:
                foreach (var item in element.EnumerateArray())
                    Read(item);
                break;
            case JsonValueKind.String:
                element.GetString().ShouldNotBeNull();
                break;
            default:
                break;
        }
    }

    private static Fuzzer Fuzzer(string name, int cases, params string[] corpus) => new()
    {
        Name = name,
        Corpus = [.. corpus.Select(Encoding.UTF8.GetBytes)],
        Dictionary = Words,
        Cases = cases,
        MayThrow = e => e is RpcException { StatusCode: StatusCode.InvalidArgument, Status.Detail.Length: > 0 },
        LongestInput = 8 << 10,
        // The client's side of a call.
        AllocationBase = 32 << 20,
    };
}
