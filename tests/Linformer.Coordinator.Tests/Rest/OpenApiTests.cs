using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Linformer.Coordinator.Tests.Access;
using Linformer.Coordinator.Tests.Services;
using Linformer.Protocol.V1;

namespace Linformer.Coordinator.Tests.Rest;

public sealed class OpenApiTests
{
    [Fact]
    public async Task Every_route_is_described_and_every_reference_leads_somewhere()
    {
        await using var coordinator = await TestCoordinator.StartAsync();
        using var http = new RestClient(coordinator.Host);
        var document = await http.JsonAsync("/openapi/v1.json");
        document["openapi"]!.GetValue<string>().ShouldBe("3.1.0");
        var described = document["paths"]!.AsObject().SelectMany(path => path.Value!.AsObject().Select(verb => $"{verb.Key.ToUpperInvariant()} {path.Key}")).ToList();
        var served = coordinator.Host.Routes.Where(route => !route.IsGrpcMethod && (route.Pattern.StartsWith("/api/v1", StringComparison.Ordinal) || route.Pattern.StartsWith("/openapi", StringComparison.Ordinal)))
            .SelectMany(route => route.Verbs.Select(verb => $"{verb} {route.Pattern}"));
        described.Order().ShouldBe(served.Order());
        var operations = document["paths"]!.AsObject().SelectMany(path => path.Value!.AsObject()).Select(verb => verb.Value!.AsObject()).ToList();
        operations.Select(operation => operation["operationId"]!.GetValue<string>()).ShouldBeUnique();
        foreach (var reference in References(document))
            Resolve(document, reference).ShouldNotBeNull(reference);
        foreach (var (path, item) in document["paths"]!.AsObject())
        {
            foreach (var (_, operation) in item!.AsObject())
            {
                var named = operation!["parameters"]?.AsArray().Where(one => one!["in"]!.GetValue<string>() == "path").Select(one => one!["name"]!.GetValue<string>()) ?? [];
                named.Order().ShouldBe(Regex.Matches(path, @"\{(?<name>\w+)\}", RegexOptions.NonBacktracking).Select(match => match.Groups["name"].Value).Order(), path);
            }
        }
    }

    [Fact]
    public async Task What_changes_something_has_the_header_that_pages_must_send()
    {
        await using var coordinator = await TestCoordinator.StartAsync();
        using var http = new RestClient(coordinator.Host);
        var document = await http.JsonAsync("/openapi/v1.json");
        foreach (var (path, item) in document["paths"]!.AsObject())
        {
            foreach (var (verb, operation) in item!.AsObject())
            {
                var header = operation!["parameters"]?.AsArray().SingleOrDefault(one => one!["name"]!.GetValue<string>() == "X-Linformer");
                (header is not null).ShouldBe(verb != "get", $"{verb} {path}");
                if (header is null)
                    continue;
                header["in"]!.GetValue<string>().ShouldBe("header");
                header["required"]!.GetValue<bool>().ShouldBe(path == "/api/v1/session");
                header["schema"]!["enum"]!.AsArray().Single()!.GetValue<string>().ShouldBe("1");
            }
        }
    }

    [Fact]
    public async Task Answers_are_as_their_schemas_say()
    {
        await using var coordinator = await TestCoordinator.StartAsync();
        using var http = new RestClient(coordinator.Host);
        using var agent = new FakeAgent(coordinator);
        var job = await coordinator.SubmitAsync(min: 2);
        await agent.JoinAsync();
        await AgentsServiceTests.PrepareAsync(agent);
        await agent.SendAsync(AgentsServiceTests.Steps((await AgentsServiceTests.FormAsync(agent)).Groups[0], 1, 3));
        await agent.ReadUntilAsync(message => message.TelemetryAck?.Sequence == 3);
        var document = await http.JsonAsync("/openapi/v1.json");
        foreach (var path in (string[])["jobs", "jobs/{job}", "jobs/{job}/metrics", "jobs/{job}/samples", "jobs/{job}/logs", "jobs/{job}/checkpoints", "workers", "corpora", "cluster", "events", "whoami", "tokens", "audit"])
        {
            var answer = await http.JsonAsync("/api/v1/" + path.Replace("{job}", job.Id, StringComparison.Ordinal));
            var schema = document["paths"]!["/api/v1/" + path]!["get"]!["responses"]!["200"]!["content"]!["application/json"]!["schema"]!;
            Check(document, schema.AsObject(), answer, path);
        }
        var problem = await http.GetAsync("/api/v1/jobs/none");
        Check(document, Resolve(document, "#/components/schemas/Problem")!.AsObject(), problem.Json, "problem");
    }

    [Fact]
    public async Task Every_route_asks_for_a_token_and_for_the_role_of_its_method()
    {
        await using var secure = await SecureCoordinator.StartAsync(change: options => options with { Limits = new UserLimits { CallsPerSecond = 0, WrongTokensPerMinute = 10_000 } });
        using var nobody = new RestClient(secure.Coordinator.Host, null, secure.PlainTls());
        using var wrong = new RestClient(secure.Coordinator.Host, "lft_abcdefgh_" + new string('A', 43), secure.PlainTls());
        using var worker = new RestClient(secure.Coordinator.Host, secure.Coordinator.Host.JoinToken, secure.PlainTls());
        using var viewer = new RestClient(secure.Coordinator.Host, (await secure.CreateAsync("vic", Role.Viewer)).Secret, secure.PlainTls());
        var routes = secure.Coordinator.Host.Routes.Where(route => !route.IsGrpcMethod && !route.IsPublic && route.Verbs.Length > 0).ToList();
        routes.Count.ShouldBeGreaterThan(28);
        foreach (var route in routes)
        {
            var path = Regex.Replace(route.Pattern, @"\{\w+\}", "none", RegexOptions.NonBacktracking);
            foreach (var http in (RestClient[])[nobody, wrong, worker])
                (await http.SendAsync(route.Verbs[0], path)).Problem(HttpStatusCode.Unauthorized, "unauthenticated");
            if (route.Rule!.Role > Role.Viewer)
                (await viewer.SendAsync(route.Verbs[0], path)).Problem(HttpStatusCode.Forbidden, "permission_denied");
        }
    }

    private static IEnumerable<string> References(JsonNode? node) => node switch
    {
        JsonObject one => one.SelectMany(property => property is { Key: "$ref", Value: JsonValue value } ? [value.GetValue<string>()] : References(property.Value)),
        JsonArray many => many.SelectMany(References),
        _ => [],
    };

    private static JsonNode? Resolve(JsonNode document, string reference) =>
        reference.Split('/').Skip(1).Aggregate((JsonNode?)document, (node, part) => node?[part]);

    // As much of JSON Schema as the document uses.
    private static void Check(JsonNode document, JsonObject schema, JsonNode? value, string where)
    {
        if (schema["$ref"] is { } reference)
        {
            Check(document, Resolve(document, reference.GetValue<string>())!.AsObject(), value, where);
            return;
        }
        if (schema["oneOf"] is JsonArray choices)
        {
            choices.Count(choice => Fits(document, choice!.AsObject(), value, where)).ShouldBe(1, where);
            return;
        }
        if (schema["enum"] is JsonArray words)
            words.Select(word => word!.GetValue<string>()).ShouldContain(value!.GetValue<string>(), where);
        switch (schema["type"]?.GetValue<string>())
        {
            case "object" when schema["additionalProperties"] is JsonObject values:
                foreach (var (name, part) in value!.AsObject())
                    Check(document, values, part, $"{where}.{name}");
                break;
            case "object":
                var properties = schema["properties"]!.AsObject();
                foreach (var name in schema["required"]?.AsArray() ?? [])
                    value!.AsObject().ContainsKey(name!.GetValue<string>()).ShouldBeTrue($"{where} lacks {name}");
                foreach (var (name, part) in value!.AsObject())
                    Check(document, properties[name].ShouldNotBeNull($"{where} has {name}").AsObject(), part, $"{where}.{name}");
                break;
            case "array":
                foreach (var item in value!.AsArray())
                    Check(document, schema["items"]!.AsObject(), item, where + "[]");
                break;
            case "integer":
                value!.GetValue<JsonElement>().TryGetInt64(out _).ShouldBeTrue(where);
                break;
            case "number":
                value!.GetValueKind().ShouldBe(JsonValueKind.Number, where);
                break;
            case "string":
                value!.GetValueKind().ShouldBe(JsonValueKind.String, where);
                break;
            case "boolean":
                value!.GetValueKind().ShouldBeOneOf([JsonValueKind.True, JsonValueKind.False], where);
                break;
            default:
                break;
        }
    }

    private static bool Fits(JsonNode document, JsonObject schema, JsonNode? value, string where)
    {
        try
        {
            Check(document, schema, value, where);
            return true;
        }
        catch (Exception exception) when (exception is ShouldAssertException or InvalidOperationException)
        {
            return false;
        }
    }
}
