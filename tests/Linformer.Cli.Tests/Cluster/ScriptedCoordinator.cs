using System.Collections.Concurrent;
using System.Net;
using System.Security.Cryptography.X509Certificates;
using Grpc.Core;
using Linformer.Protocol.V1;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Linformer.Cli.Tests.Cluster;

/// <summary>A gRPC server on loopback that answers as a test tells it to. It may be killed and started again on its port.</summary>
public sealed class ScriptedCoordinator : IAsyncDisposable
{
    private WebApplication? _app;

    public ScriptedCoordinator() => WorkersService = new WorkersScript(Workers);

    public int Port { get; private set; }

    public JobsScript Jobs { get; } = new();

    public ListWorkersResponse Workers { get; } = new();

    public WorkersScript WorkersService { get; }

    public ListCorporaResponse Corpora { get; } = new();

    public TokensScript Tokens { get; } = new();

    public ClusterScript Cluster { get; } = new();

    public AgentsScript Agents { get; } = new();

    public string Address => $"127.0.0.1:{Port}";

    /// <summary>Starts to serve, on the port that it had before if it had one.</summary>
    /// <param name="certificate">What it serves TLS with; null for none.</param>
    /// <param name="clients">Which client certificates it takes; null for asking for none.</param>
    public async Task StartAsync(X509Certificate2? certificate = null, Func<X509Certificate2, bool>? clients = null)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, Port, listen =>
        {
            listen.Protocols = HttpProtocols.Http2;
            if (certificate is not null)
            {
                listen.UseHttps(https =>
                {
                    https.ServerCertificate = certificate;
                    https.ClientCertificateMode = clients is null ? ClientCertificateMode.NoCertificate : ClientCertificateMode.RequireCertificate;
                    https.ClientCertificateValidation = (shown, _, _) => clients!(shown);
                });
            }
        }));
        builder.Services.AddGrpc();
        builder.Services.AddSingleton(Jobs);
        builder.Services.AddSingleton(WorkersService);
        builder.Services.AddSingleton(new CorporaScript(Corpora));
        builder.Services.AddSingleton(Tokens);
        builder.Services.AddSingleton(Agents);
        builder.Services.AddSingleton(Cluster);
        _app = builder.Build();
        _app.MapGrpcService<JobsScript>();
        _app.MapGrpcService<WorkersScript>();
        _app.MapGrpcService<CorporaScript>();
        _app.MapGrpcService<TokensScript>();
        _app.MapGrpcService<AgentsScript>();
        _app.MapGrpcService<ClusterScript>();
        await _app.StartAsync();
        Port = new Uri(_app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single()).Port;
    }

    /// <summary>Breaks all connections, as a killed process does.</summary>
    public async Task KillAsync()
    {
        using var atOnce = new CancellationTokenSource();
        await atOnce.CancelAsync();
        await _app!.StopAsync(atOnce.Token);
        await _app.DisposeAsync();
        _app = null;
    }

    public async ValueTask DisposeAsync()
    {
        if (_app is not null)
            await KillAsync();
    }

    public sealed class WorkersScript(ListWorkersResponse response) : Protocol.V1.Workers.WorkersBase
    {
        public Func<DrainWorkerRequest, Protocol.V1.Worker> OnDrain { get; set; } = _ => throw JobsScript.Refusal(StatusCode.Unimplemented, "not scripted");

        public Func<ListWorkersResponse> OnList { get; set; } = () => response;

        public override Task<ListWorkersResponse> List(ListWorkersRequest request, ServerCallContext context) => Task.FromResult(OnList());

        public override Task<Protocol.V1.Worker> Drain(DrainWorkerRequest request, ServerCallContext context) => Task.FromResult(OnDrain(request));
    }

    public sealed class ClusterScript : Protocol.V1.Cluster.ClusterBase
    {
        public ClusterSummary Answer { get; } = new() { Version = "0.1.0" };

        public override Task<ClusterSummary> Summary(SummaryRequest request, ServerCallContext context) => Task.FromResult(Answer);
    }

    public sealed class AgentsScript : Protocol.V1.Agents.AgentsBase
    {
        public ConcurrentQueue<(string? Authorization, string? ClientCertificate)> Shown { get; } = [];

        /// <summary>Answers a connection of so many before it.</summary>
        public Func<int, IServerStreamWriter<CoordinatorMessage>, CancellationToken, Task> OnConnect { get; set; } =
            (_, stream, cancellation) => stream.WriteAsync(new CoordinatorMessage { Goodbye = new Goodbye { Final = true, Reason = "not wanted here" } }, cancellation);

        public override Task Connect(IAsyncStreamReader<AgentMessage> requestStream, IServerStreamWriter<CoordinatorMessage> responseStream, ServerCallContext context)
        {
            var before = Shown.Count;
            Shown.Enqueue((context.RequestHeaders.GetValue("authorization"), context.GetHttpContext().Connection.ClientCertificate?.Subject));
            return OnConnect(before, responseStream, context.CancellationToken);
        }
    }

    public sealed class TokensScript : Protocol.V1.Tokens.TokensBase
    {
        public ConcurrentQueue<object> Requests { get; } = [];

        public Func<ServerCallContext, WhoAmIResponse> OnWhoAmI { get; set; } = _ => throw JobsScript.Refusal(StatusCode.Unimplemented, "not scripted");

        public Func<CreateTokenRequest, CreateTokenResponse> OnCreate { get; set; } = _ => throw JobsScript.Refusal(StatusCode.Unimplemented, "not scripted");

        public Func<ListTokensRequest, ListTokensResponse> OnList { get; set; } = _ => throw JobsScript.Refusal(StatusCode.Unimplemented, "not scripted");

        public Func<RevokeTokenRequest, Token> OnRevoke { get; set; } = _ => throw JobsScript.Refusal(StatusCode.Unimplemented, "not scripted");

        public Func<AuditRequest, AuditResponse> OnAudit { get; set; } = _ => throw JobsScript.Refusal(StatusCode.Unimplemented, "not scripted");

        public override Task<WhoAmIResponse> WhoAmI(WhoAmIRequest request, ServerCallContext context) => Task.FromResult(OnWhoAmI(context));

        public override Task<CreateTokenResponse> Create(CreateTokenRequest request, ServerCallContext context) => Task.FromResult(OnCreate(Noted(request)));

        public override Task<ListTokensResponse> List(ListTokensRequest request, ServerCallContext context) => Task.FromResult(OnList(Noted(request)));

        public override Task<Token> Revoke(RevokeTokenRequest request, ServerCallContext context) => Task.FromResult(OnRevoke(Noted(request)));

        public override Task<AuditResponse> Audit(AuditRequest request, ServerCallContext context) => Task.FromResult(OnAudit(Noted(request)));

        private T Noted<T>(T request)
            where T : class
        {
            Requests.Enqueue(request);
            return request;
        }
    }

    public sealed class CorporaScript(ListCorporaResponse response) : Protocol.V1.Corpora.CorporaBase
    {
        public override Task<ListCorporaResponse> List(ListCorporaRequest request, ServerCallContext context) => Task.FromResult(response);

        // Says what it was asked.
        public override Task<PreviewResponse> Preview(PreviewRequest request, ServerCallContext context) => Task.FromResult(new PreviewResponse
        {
            CorpusId = request.Corpus,
            FromToken = request.FromToken,
            Tokens = 12_345,
            Sequences =
            {
                new PreviewSequence { FirstToken = request.FromToken, Ids = { 1, 2 }, Pieces = { "One", " \u001b[31m" }, Text = "One \u001b[31m" },
                new PreviewSequence { FirstToken = request.Sequences, Ids = { request.SequenceLength }, Pieces = { "x" }, Text = "x\ty\nz" },
            },
        });
    }
}

/// <summary>What the scripted coordinator says of jobs; a call that no test has scripted is UNIMPLEMENTED.</summary>
public sealed class JobsScript : Jobs.JobsBase
{
    public ConcurrentQueue<object> Requests { get; } = [];

    public ConcurrentQueue<Metadata> Headers { get; } = [];

    public Func<SubmitRequest, SubmitResponse> OnSubmit { get; set; } = _ => throw NotScripted();

    public Func<CheckJobRequest, CheckJobResponse> OnCheck { get; set; } = _ => throw NotScripted();

    public Func<ListJobsRequest, ListJobsResponse> OnList { get; set; } = _ => throw NotScripted();

    public Func<ShowJobRequest, JobDetails> OnShow { get; set; } = _ => throw NotScripted();

    public Func<string, ChangeRequest, Job> OnChange { get; set; } = (_, _) => throw NotScripted();

    public Func<CheckpointsRequest, CheckpointsResponse> OnCheckpoints { get; set; } = _ => throw NotScripted();

    public Func<WatchRequest, Func<WatchEvent, Task>, CancellationToken, Task> OnWatch { get; set; } = (_, _, _) => throw NotScripted();

    public Func<LogsRequest, Func<LogLine, Task>, CancellationToken, Task> OnLogs { get; set; } = (_, _, _) => throw NotScripted();

    public Func<GoBackRequest, Job> OnGoBack { get; set; } = _ => throw NotScripted();

    public Func<DeleteJobRequest, DeleteJobResponse> OnDelete { get; set; } = _ => throw NotScripted();

    public Func<MetricsRequest, Func<MetricPoint, Task>, Task> OnMetrics { get; set; } = (_, _) => throw NotScripted();

    public Func<MetricRangeRequest, MetricRangeResponse> OnMetricRange { get; set; } = _ => throw NotScripted();

    public Func<RankSamplesRequest, RankSamplesResponse> OnRankSamples { get; set; } = _ => throw NotScripted();

    public Func<LogPageRequest, LogPageResponse> OnLogPage { get; set; } = _ => throw NotScripted();

    public IReadOnlyList<FileChunk> Files { get; set; } = [];

    public override Task<SubmitResponse> Submit(SubmitRequest request, ServerCallContext context) => Task.FromResult(OnSubmit(Noted(request, context)));

    public override Task<CheckJobResponse> Check(CheckJobRequest request, ServerCallContext context) => Task.FromResult(OnCheck(Noted(request, context)));

    public override Task<ListJobsResponse> List(ListJobsRequest request, ServerCallContext context) => Task.FromResult(OnList(Noted(request, context)));

    public override Task<JobDetails> Show(ShowJobRequest request, ServerCallContext context) => Task.FromResult(OnShow(Noted(request, context)));

    public override Task<Job> Cancel(ChangeRequest request, ServerCallContext context) => Task.FromResult(OnChange("cancel", Noted(request, context)));

    public override Task<Job> Pause(ChangeRequest request, ServerCallContext context) => Task.FromResult(OnChange("pause", Noted(request, context)));

    public override Task<Job> Resume(ChangeRequest request, ServerCallContext context) => Task.FromResult(OnChange("resume", Noted(request, context)));

    public override Task<CheckpointsResponse> Checkpoints(CheckpointsRequest request, ServerCallContext context) =>
        Task.FromResult(OnCheckpoints(Noted(request, context)));

    public override Task Watch(WatchRequest request, IServerStreamWriter<WatchEvent> responseStream, ServerCallContext context) =>
        OnWatch(Noted(request, context), change => responseStream.WriteAsync(change, context.CancellationToken), context.CancellationToken);

    public override Task Logs(LogsRequest request, IServerStreamWriter<LogLine> responseStream, ServerCallContext context) =>
        OnLogs(Noted(request, context), line => responseStream.WriteAsync(line, context.CancellationToken), context.CancellationToken);

    public override async Task Export(ExportRequest request, IServerStreamWriter<FileChunk> responseStream, ServerCallContext context)
    {
        foreach (var chunk in Files)
            await responseStream.WriteAsync(chunk, context.CancellationToken);
    }

    public override async Task ExportCheckpoint(ExportCheckpointRequest request, IServerStreamWriter<FileChunk> responseStream, ServerCallContext context)
    {
        Noted(request, context);
        foreach (var chunk in Files)
            await responseStream.WriteAsync(chunk, context.CancellationToken);
    }

    public override Task Metrics(MetricsRequest request, IServerStreamWriter<MetricPoint> responseStream, ServerCallContext context) =>
        OnMetrics(Noted(request, context), point => responseStream.WriteAsync(point, context.CancellationToken));

    public override Task<MetricRangeResponse> MetricRange(MetricRangeRequest request, ServerCallContext context) =>
        Task.FromResult(OnMetricRange(Noted(request, context)));

    public override Task<RankSamplesResponse> RankSamples(RankSamplesRequest request, ServerCallContext context) =>
        Task.FromResult(OnRankSamples(Noted(request, context)));

    public override Task<LogPageResponse> LogPage(LogPageRequest request, ServerCallContext context) => Task.FromResult(OnLogPage(Noted(request, context)));

    public override Task<Job> GoBack(GoBackRequest request, ServerCallContext context) => Task.FromResult(OnGoBack(Noted(request, context)));

    public override Task<DeleteJobResponse> Delete(DeleteJobRequest request, ServerCallContext context) => Task.FromResult(OnDelete(Noted(request, context)));

    public static RpcException Refusal(StatusCode code, string detail) => new(new Grpc.Core.Status(code, detail));

    private static RpcException NotScripted() => Refusal(StatusCode.Unimplemented, "not scripted");

    private T Noted<T>(T request, ServerCallContext context)
        where T : class
    {
        Headers.Enqueue(context.RequestHeaders);
        Requests.Enqueue(request);
        return request;
    }
}
