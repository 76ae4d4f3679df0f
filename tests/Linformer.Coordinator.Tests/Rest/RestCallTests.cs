using System.Net;
using System.Text.Json.Nodes;
using Linformer.Coordinator.Tests.Access;
using Linformer.Coordinator.Tests.Services;
using Linformer.Protocol.V1;

namespace Linformer.Coordinator.Tests.Rest;

public sealed class RestCallTests : IAsyncLifetime, IDisposable
{
    private const string Yaml = "application/yaml";

    private TestCoordinator _coordinator = null!;
    private RestClient _http = null!;

    public async Task InitializeAsync()
    {
        _coordinator = await TestCoordinator.StartAsync();
        _http = new RestClient(_coordinator.Host);
    }

    public async Task DisposeAsync() => await _coordinator.DisposeAsync();

    public void Dispose() => _http.Dispose();

    [Theory]
    [InlineData("/healthz")]
    [InlineData("/readyz")]
    public async Task A_coordinator_that_serves_is_healthy_and_ready_to_whoever_asks(string path)
    {
        // It says so once its scheduler has answered for the first time.
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while ((await _http.GetAsync(path)).Status != HttpStatusCode.OK)
            await Task.Delay(50, patience.Token);

        (await _http.GetAsync(path)).Text.ShouldBe("ok\n");
    }

    [Fact]
    public async Task A_job_is_submitted_shown_paused_resumed_and_cancelled()
    {
        var submitted = await _http.SendAsync("POST", "/api/v1/jobs", TestCoordinator.JobFile("first"), Yaml, ("Idempotency-Key", "key-of-this-test"));
        submitted.Status.ShouldBe(HttpStatusCode.Created, submitted.Text);
        var id = submitted.Json["job"]!["id"]!.GetValue<string>();
        submitted.Headers["Location"].ShouldBe("/api/v1/jobs/" + id);
        submitted.Json["resolvedJob"]!["training"]!["steps"]!.GetValue<int>().ShouldBe(1000);
        var again = await _http.SendAsync("POST", "/api/v1/jobs", TestCoordinator.JobFile("first"), Yaml, ("Idempotency-Key", "key-of-this-test"));
        again.Status.ShouldBe(HttpStatusCode.OK);
        again.Json["job"]!["id"]!.GetValue<string>().ShouldBe(id);

        var shown = await _http.JsonAsync("/api/v1/jobs/first");
        shown["job"]!["state"]!.GetValue<string>().ShouldBe("queued");
        shown["jobFile"]!["name"]!.GetValue<string>().ShouldBe("first");
        shown["job"]!["submittedAt"]!.GetValue<string>().ShouldMatch(@"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$");
        shown["job"]!.AsObject().ContainsKey("endedAt").ShouldBeFalse();

        (await _http.SendAsync("POST", $"/api/v1/jobs/{id}/pause")).Json["state"]!.GetValue<string>().ShouldBe("paused");
        (await _http.SendAsync("POST", $"/api/v1/jobs/{id}/resume", """{"why": "go on"}""")).Json["state"]!.GetValue<string>().ShouldBe("queued");
        (await _http.SendAsync("POST", $"/api/v1/jobs/{id}/cancel", """{"why": "enough", "who": "ada"}""")).Json["state"]!.GetValue<string>().ShouldBe("cancelled");
        // The same that gRPC tells.
        var details = await _coordinator.Jobs.ShowAsync(new ShowJobRequest { Job = id });
        details.History[^1].Why.ShouldBe("enough");
        details.History[^1].Who.ShouldBe("person:ada");
        var refused = await _http.SendAsync("POST", $"/api/v1/jobs/{id}/pause");
        refused.Problem(HttpStatusCode.Conflict, "failed_precondition").ShouldContain("cancelled");
    }

    [Fact]
    public async Task A_job_file_in_JSON_is_taken_and_one_with_errors_is_told_with_all_of_them()
    {
        (await _http.SendAsync("POST", "/api/v1/jobs?dryRun=true", """{"name": "j", "corpus": {"files": ["a.txt"]}, "training": {"steps": 5}}""")).Status.ShouldBe(HttpStatusCode.OK);
        var wrong = await _http.SendAsync("POST", "/api/v1/jobs", "name: bad\ncorpus: { files: [a.txt] }\ntraining: { steps: -1 }\nnothing: 1\n", Yaml);
        wrong.Problem(HttpStatusCode.BadRequest, "invalid_argument").ShouldContain("training.steps");
        var problems = wrong.Json["problems"]!.AsArray();
        problems.Select(problem => problem!["field"]!.GetValue<string>()).ShouldContain("training.steps");
        problems.Count.ShouldBe(2);
        problems.Single(problem => problem!["field"]!.GetValue<string>() == "training.steps")!["line"]!.GetValue<int>().ShouldBe(3);
        (await _coordinator.Jobs.ListAsync(new ListJobsRequest())).Jobs.ShouldBeEmpty();
        var check = await _http.SendAsync("POST", "/api/v1/jobs/check", TestCoordinator.JobFile("x"), Yaml);
        check.Json["problems"]!.AsArray().ShouldBeEmpty();
    }

    [Fact]
    public async Task Jobs_are_listed_by_filter_and_page()
    {
        foreach (var name in (string[])["alpha", "beta", "gamma"])
            await _coordinator.SubmitAsync(name);
        await _http.SendAsync("POST", "/api/v1/jobs/beta/cancel");

        Names(await _http.JsonAsync("/api/v1/jobs")).ShouldBe(["gamma", "beta", "alpha"]);
        Names(await _http.JsonAsync("/api/v1/jobs?state=cancelled&state=failed")).ShouldBe(["beta"]);
        Names(await _http.JsonAsync("/api/v1/jobs?name=amm")).ShouldBe(["gamma"]);
        var page = await _http.JsonAsync("/api/v1/jobs?pageSize=2");
        Names(page).ShouldBe(["gamma", "beta"]);
        Names(await _http.JsonAsync("/api/v1/jobs?pageSize=2&pageToken=" + Uri.EscapeDataString(page["nextPageToken"]!.GetValue<string>()))).ShouldBe(["alpha"]);

        static IEnumerable<string> Names(JsonObject list) => list["jobs"]!.AsArray().Select(job => job!["name"]!.GetValue<string>());
    }

    [Theory]
    [InlineData("/api/v1/jobs?nothing=1", "'nothing'", "pageSize")]
    [InlineData("/api/v1/jobs?state=flying", "'flying'", "queued, preparing")]
    [InlineData("/api/v1/jobs?state=unspecified", "'unspecified'", "queued")]
    [InlineData("/api/v1/jobs?states=1", "'states'", "state")]
    [InlineData("/api/v1/jobs?pageSize=many", "'many'", "whole number")]
    [InlineData("/api/v1/jobs?pageSize=99999999999", "'99999999999'", "2147483647")]
    [InlineData("/api/v1/jobs?pageSize=501", "501", "500")]
    [InlineData("/api/v1/jobs?pageSize=1&pageSize=2", "pageSize", "2 times")]
    [InlineData("/api/v1/jobs?reverse=perhaps", "'perhaps'", "true or false")]
    [InlineData("/api/v1/jobs?name=%00", "name_contains", "control")]
    [InlineData("/api/v1/whoami?job=x", "'job'", "none")]
    [InlineData("/api/v1/jobs/x/logs/text?follow=true", "'follow'", "rank")]
    [InlineData("/api/v1/audit?after=-1", "-1", "0 or more")]
    [InlineData("/api/v1/stream", "topic", "1 to 32")]
    [InlineData("/api/v1/stream?topic=everything", "'everything'", "jobs, job:JOB")]
    [InlineData("/api/v1/stream?topic=metrics:x:-1", "metrics:x:-1", "AFTER-STEP")]
    [InlineData("/api/v1/stream?topic=jobs&other=1", "'other'", "topic")]
    public async Task A_wrong_query_is_told_with_its_name_value_and_what_is_allowed(string path, string value, string allowed)
    {
        var detail = (await _http.GetAsync(path)).Problem(HttpStatusCode.BadRequest, "invalid_argument");
        detail.ShouldContain(value);
        detail.ShouldContain(allowed);
    }

    [Theory]
    [InlineData("{", 400, "not JSON")]
    [InlineData("[]", 400, "object is needed")]
    [InlineData("""{"why": 5}""", 400, "why is '5'")]
    [InlineData("""{"why": "a", "why": "b"}""", 400, "not JSON")]
    [InlineData("""{"job": "other"}""", 400, "no field 'job'")]
    [InlineData("""{"why": "\ud800"}""", 400, "not Unicode")]
    public async Task A_wrong_body_is_told(string body, int status, string expected)
    {
        await _coordinator.SubmitAsync("a");
        (await _http.SendAsync("POST", "/api/v1/jobs/a/cancel", body)).Problem((HttpStatusCode)status, "invalid_argument").ShouldContain(expected);
    }

    [Fact]
    public async Task Bodies_of_another_kind_or_size_are_refused()
    {
        (await _http.SendAsync("POST", "/api/v1/jobs", "name: a", "text/html")).Problem(HttpStatusCode.UnsupportedMediaType, "unsupported_media_type").ShouldContain("application/yaml");
        (await _http.SendAsync("POST", "/api/v1/jobs/a/cancel", "why=x", "application/x-www-form-urlencoded")).Problem(HttpStatusCode.UnsupportedMediaType, "unsupported_media_type");
        (await _http.SendAsync("POST", "/api/v1/jobs", new string('#', (1 << 20) + 1), Yaml)).Problem(HttpStatusCode.RequestEntityTooLarge, "too_large").ShouldContain("1,048,576");
        (await _http.SendAsync("POST", "/api/v1/jobs/a/cancel", new string(' ', 70_000))).Problem(HttpStatusCode.RequestEntityTooLarge, "too_large");
    }

    [Fact]
    public async Task What_is_not_there_is_404_and_another_verb_405()
    {
        (await _http.GetAsync("/api/v1/jobs/no-such-job")).Problem(HttpStatusCode.NotFound, "not_found").ShouldContain("'no-such-job'");
        (await _http.GetAsync("/api/v2/jobs")).Problem(HttpStatusCode.NotFound, "not_found");
        (await _http.GetAsync("/api")).Problem(HttpStatusCode.NotFound, "not_found");
        var verb = await _http.SendAsync("PUT", "/api/v1/jobs");
        verb.Problem(HttpStatusCode.MethodNotAllowed, "method_not_allowed").ShouldContain("GET, POST");
        verb.Headers["Allow"].ShouldBe("GET, POST");
        // gRPC is not there on a listener of HTTP.
        (await _http.SendAsync("POST", "/linformer.v1.Jobs/List", "", "application/grpc")).Status.ShouldBe(HttpStatusCode.NotFound);
    }

    [Theory]
    [InlineData("/api/v1/jobs/..%2f..%2fetc%2fpasswd")]
    [InlineData("/api/v1/jobs/%00")]
    [InlineData("/api/v1/jobs/%F0%9F%92%A9")]
    [InlineData("/api/v1/jobs/' OR 1=1 --")]
    [InlineData("/api/v1/jobs/<script>")]
    public async Task A_hostile_name_is_no_job(string path)
    {
        var answer = await _http.GetAsync(path);
        ((int)answer.Status).ShouldBeInRange(400, 404, answer.Text);
    }

    [Fact]
    public async Task The_log_and_the_metrics_are_downloaded_as_text()
    {
        var job = await _coordinator.SubmitAsync("a");
        var log = await _http.GetAsync($"/api/v1/jobs/{job.Id}/logs/text");
        log.Status.ShouldBe(HttpStatusCode.OK);
        log.Headers["Content-Disposition"].ShouldContain($"{job.Id}.log");
        var metrics = await _http.GetAsync($"/api/v1/jobs/{job.Id}/metrics.csv");
        metrics.Text.ShouldBe("step,at,lineage,generation,worldSize,loss,learningRate,tokensPerSecond,gradientNorm,heldOutLoss\n");
        metrics.Headers["Content-Type"].ShouldBe("text/csv; charset=utf-8");
        // An error is told as one, since nothing has been sent.
        (await _http.GetAsync("/api/v1/jobs/none/metrics.csv")).Problem(HttpStatusCode.NotFound, "not_found");
        (await _http.GetAsync($"/api/v1/jobs/{job.Id}/model/download")).Problem(HttpStatusCode.Conflict, "failed_precondition").ShouldContain("succeeded");
    }

    [Fact]
    public async Task Presets_and_the_schema_are_there_for_forms()
    {
        var presets = JsonNode.Parse((await _http.GetAsync("/api/v1/presets")).Text)!.AsArray();
        presets.Count.ShouldBeGreaterThan(2);
        foreach (var preset in presets)
            (await _http.SendAsync("POST", "/api/v1/jobs/check", preset!["yaml"]!.GetValue<string>(), Yaml)).Json["problems"]!.AsArray().ShouldBeEmpty();
        (await _http.GetAsync("/api/v1/schema/job-file")).Json["$schema"]!.GetValue<string>().ShouldContain("json-schema.org");
    }

    [Fact]
    public async Task Changes_over_HTTP_are_in_the_audit_log_under_their_method()
    {
        await using var secure = await SecureCoordinator.StartAsync();
        var viewer = (await secure.CreateAsync("vic", Role.Viewer)).Secret;
        using var http = new RestClient(secure.Coordinator.Host, viewer, secure.PlainTls());
        (await http.SendAsync("POST", "/api/v1/jobs", TestCoordinator.JobFile("a"), Yaml)).Problem(HttpStatusCode.Forbidden, "permission_denied").ShouldContain("submitter");
        using var admin = new RestClient(secure.Coordinator.Host, secure.Coordinator.Host.UserToken, secure.PlainTls());
        (await admin.SendAsync("POST", "/api/v1/jobs", TestCoordinator.JobFile("a"), Yaml)).Status.ShouldBe(HttpStatusCode.Created);
        var entries = (await secure.AuditAsync()).Where(entry => entry.Method == "/linformer.v1.Jobs/Submit").ToList();
        entries.Select(entry => (entry.User, entry.Outcome[..2])).ShouldBe([("vic", "PE"), ("admin", "ok")]);
    }
}
