using Google.Protobuf;
using Grpc.Core;
using Linformer.Coordinator.Access;
using Linformer.Coordinator.Services.Guard;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http;
using Serilog;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Rest;

/// <summary>
/// Answers calls over HTTP: makes the message, has the guard call the method as it does for gRPC, and writes what comes back.
/// </summary>
internal sealed class RestCalls(RestMethods methods, CallGuard guard, ILogger logger)
{
    private const string Submit = "Jobs/Submit";
    private const string Check = "Jobs/Check";

    /// <summary>What answers a route.</summary>
    public RequestDelegate Handler(RestRoute route)
    {
        var method = methods[route.Method];
        var reader = new RequestReader(route, method.Descriptor.InputType);
        return http => HandleAsync(http, () => AnswerAsync(http, route, method, reader));
    }

    /// <summary>Answers a call; what goes wrong is told as a problem, or by an end of the connection if the answer has begun.</summary>
    /// <param name="http">The call.</param>
    /// <param name="answer">Answers it.</param>
    public async Task HandleAsync(HttpContext http, Func<Task> answer)
    {
        try
        {
            await answer();
        }
        catch (Exception exception) when (exception is ConnectionAbortedException || http.RequestAborted.IsCancellationRequested)
        {
            logger.Debug("{Path:l} was given up by its caller: {Reason:l}", http.Request.Path.Value, exception.Message);
        }
        catch (RpcException exception)
        {
            await RefuseAsync(http, exception, () => Problem.WriteAsync(http, exception.Status, (exception as JobFileRefusedException)?.Problems));
        }
        catch (BadHttpRequestException exception)
        {
            await RefuseAsync(http, exception, () => Problem.WriteAsync(http, exception.StatusCode, CodeOf(exception.StatusCode), exception.Message));
        }
        catch (Exception exception)
        {
            Log(http, exception);
            var status = new Status(StatusCode.Internal, $"The coordinator failed ({exception.GetType().Name}); its log tells more.");
            await RefuseAsync(http, exception, () => Problem.WriteAsync(http, status));
        }
    }

    // What everybody may call must not let everybody fill the log.
    private void Log(HttpContext http, Exception exception)
    {
        if (!AccessRules.IsPublic(http.GetEndpoint()))
            logger.Error(exception, "{Path:l} failed", http.Request.Path.Value);
        else
            logger.Warning("{Path:l} failed: {Reason:l}", http.Request.Path.Value, $"{exception.GetType().Name}: {Refusal.Plain(exception.Message)}");
    }

    // An answer that has begun can only be broken off, so that nobody takes it for whole.
    private Task RefuseAsync(HttpContext http, Exception exception, Func<Task> answer)
    {
        if (!http.Response.HasStarted)
            return answer();
        logger.Debug("{Path:l} broke off: {Reason:l}", http.Request.Path.Value, exception.Message);
        http.Abort();
        return Task.CompletedTask;
    }

    private async Task AnswerAsync(HttpContext http, RestRoute route, RestMethod method, RequestReader reader)
    {
        var request = await reader.ReadAsync(http);
        await using var answer = RestAnswers.Begin(http, route);
        try
        {
            await method.CallAsync(guard, request, new RestCallContext(http, method.FullName), answer.SendAsync);
        }
        catch (RpcException exception) when (exception.StatusCode == StatusCode.InvalidArgument && route.Method == Submit)
        {
            throw new JobFileRefusedException(exception.Status, await ProblemsAsync(http, ((Proto.SubmitRequest)request).JobFile));
        }
        await answer.CompleteAsync(request);
    }

    // Where in the file it is, which the message alone does not tell programs.
    private async Task<IReadOnlyList<Proto.JobFileProblem>> ProblemsAsync(HttpContext http, ByteString file)
    {
        try
        {
            var check = methods[Check];
            IReadOnlyList<Proto.JobFileProblem> problems = [];
            await check.CallAsync(guard, new Proto.CheckJobRequest { JobFile = file }, new RestCallContext(http, check.FullName), (response, _) =>
            {
                problems = ((Proto.CheckJobResponse)response).Problems;
                return Task.CompletedTask;
            });
            return problems;
        }
        catch (RpcException)
        {
            // The message tells it all the same.
            return [];
        }
    }

    private static string CodeOf(int status) => status switch
    {
        StatusCodes.Status413PayloadTooLarge => "too_large",
        StatusCodes.Status415UnsupportedMediaType => "unsupported_media_type",
        StatusCodes.Status408RequestTimeout => "too_slow",
        _ => Problem.CodeOf(StatusCode.InvalidArgument),
    };

    private sealed class JobFileRefusedException(Status status, IReadOnlyList<Proto.JobFileProblem> problems) : RpcException(status)
    {
        public IReadOnlyList<Proto.JobFileProblem> Problems { get; } = problems;
    }
}
