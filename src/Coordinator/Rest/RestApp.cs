using Linformer.Coordinator.Access;
using Linformer.Coordinator.Rest.OpenApi;
using Linformer.Coordinator.Rest.Streaming;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Routing.Patterns;
using Microsoft.AspNetCore.Routing.Template;
using Microsoft.Extensions.DependencyInjection;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Rest;

/// <summary>Puts together what is served over HTTP.</summary>
internal static class RestApp
{
    private static readonly string[] Reading = [HttpMethods.Get, HttpMethods.Head];

    private static readonly Proto.Access Viewers = new() { Role = Proto.Role.Viewer };

    /// <summary>Registers the parts.</summary>
    public static void AddTo(IServiceCollection services)
    {
        services.AddSingleton<OwnAddresses>();
        services.AddSingleton<RestMethods>();
        services.AddSingleton<RestCalls>();
        services.AddSingleton<SessionRoutes>();
        services.AddSingleton<OpenApiDocument>();
        services.AddSingleton<StreamSource>();
        services.AddSingleton<TopicHub>();
        services.AddSingleton<EventStream>();
        services.AddSingleton(provider => DashboardFiles.Load(provider.GetRequiredService<CoordinatorOptions>().DashboardFolder ?? Path.Combine(AppContext.BaseDirectory, "dashboard")));
    }

    /// <summary>Maps the routes, each with its rule.</summary>
    public static void Map(WebApplication app)
    {
        var (methods, calls) = (app.Services.GetRequiredService<RestMethods>(), app.Services.GetRequiredService<RestCalls>());
        foreach (var route in RestRoutes.All)
        {
            var method = methods[route.Method];
            app.MapMethods(route.Pattern, [route.Verb], calls.Handler(route))
                .WithMetadata(route, method.Rule, new CalledMethod(method.FullName, method.Descriptor.IsServerStreaming));
        }
        var session = app.Services.GetRequiredService<SessionRoutes>();
        app.MapMethods(SessionRoutes.Pattern, [HttpMethods.Post], session.LogInAsync).WithMetadata(PublicRoute.Instance);
        app.MapMethods(SessionRoutes.Pattern, [HttpMethods.Delete], session.LogOutAsync).WithMetadata(PublicRoute.Instance);
        app.MapMethods(OpenApiDocument.Pattern, [HttpMethods.Get], app.Services.GetRequiredService<OpenApiDocument>().AnswerAsync).WithMetadata(Viewers);
        app.MapMethods(FormAnswers.SchemaPattern, [HttpMethods.Get], FormAnswers.SchemaAsync).WithMetadata(Viewers);
        app.MapMethods(FormAnswers.PresetsPattern, [HttpMethods.Get], FormAnswers.PresetsAsync).WithMetadata(Viewers);
        app.MapMethods(EventStream.Pattern, [HttpMethods.Get], app.Services.GetRequiredService<EventStream>().AnswerAsync)
            .WithMetadata(Viewers, new CalledMethod(EventStream.Pattern, Streams: true));
        HealthRoutes.Map(app);
        MapWhatIsNotThere(app, "/api/{**rest}");
        app.MapMethods("/{**path}", Reading, app.Services.GetRequiredService<DashboardFiles>().AnswerAsync).WithMetadata(PublicRoute.Instance).WithOrder(int.MaxValue);
    }

    // So that whoever may see what is there is told when a path has other verbs.
    private static void MapWhatIsNotThere(WebApplication app, string pattern) =>
        app.Map(pattern, http => AnswerWhatIsNotThere(http, app.Services.GetRequiredService<EndpointDataSource>()))
            .WithMetadata(Viewers).WithOrder(int.MaxValue - 1);

    private static Task AnswerWhatIsNotThere(HttpContext http, EndpointDataSource endpoints)
    {
        var verbs = endpoints.Endpoints.OfType<RouteEndpoint>()
            .Where(endpoint => endpoint.Order == 0 && endpoint.Metadata.GetMetadata<IHttpMethodMetadata>() is not null && Matches(endpoint.RoutePattern, http.Request.Path))
            .SelectMany(endpoint => endpoint.Metadata.GetMetadata<IHttpMethodMetadata>()!.HttpMethods).Distinct().Order().ToList();
        var path = Services.Guard.Refusal.Show(http.Request.Path.ToString());
        if (verbs.Count == 0)
            return Problem.WriteAsync(http, StatusCodes.Status404NotFound, Problem.CodeOf(Grpc.Core.StatusCode.NotFound), $"There is no {path} here; /openapi/v1.json lists what there is.");
        http.Response.Headers.Allow = string.Join(", ", verbs);
        return Problem.WriteAsync(
            http, StatusCodes.Status405MethodNotAllowed, "method_not_allowed", $"{path} cannot be called by {Services.Guard.Refusal.Plain(http.Request.Method)}; allowed: {string.Join(", ", verbs)}.");
    }

    private static bool Matches(RoutePattern pattern, PathString path) => new TemplateMatcher(new RouteTemplate(pattern), []).TryMatch(path, []);
}
