using Grpc.Core;
using Grpc.Health.V1;
using Linformer.Coordinator.Tests.Access;
using Linformer.Coordinator.Tests.Services;
using ServingStatus = Grpc.Health.V1.HealthCheckResponse.Types.ServingStatus;

namespace Linformer.Coordinator.Tests.Telemetry;

public sealed class HealthServiceTests
{
    [Theory]
    [InlineData("")]
    [InlineData("linformer.v1.Jobs")]
    [InlineData("linformer.v1.Agents")]
    [InlineData("grpc.health.v1.Health")]
    public async Task Everybody_learns_that_a_service_serves_and_watchers_that_it_stops(string service)
    {
        await using var secure = await SecureCoordinator.StartAsync();
        var client = new Health.HealthClient(secure.Coordinator.Channel);
        using var watch = client.Watch(new HealthCheckRequest { Service = service });
        while (await watch.ResponseStream.MoveNext(CancellationToken.None) && watch.ResponseStream.Current.Status != ServingStatus.Serving)
        {
        }

        (await client.CheckAsync(new HealthCheckRequest { Service = service })).Status.ShouldBe(ServingStatus.Serving);
        await secure.Coordinator.Host.DisposeAsync();

        (await watch.ResponseStream.MoveNext(CancellationToken.None)).ShouldBeTrue();
        watch.ResponseStream.Current.Status.ShouldBe(ServingStatus.NotServing);
    }

    [Fact]
    public async Task A_service_that_is_not_known_is_not_found_and_a_watch_of_it_waits()
    {
        await using var coordinator = await TestCoordinator.StartAsync();
        var client = new Health.HealthClient(coordinator.Channel);

        (await Refused.With(StatusCode.NotFound, () => client.CheckAsync(new HealthCheckRequest { Service = "linformer.v1.Nothing" }).ResponseAsync))
            .Status.Detail.ShouldContain("'linformer.v1.Nothing'");
        using var watch = client.Watch(new HealthCheckRequest { Service = "linformer.v1.Nothing" });
        (await watch.ResponseStream.MoveNext(CancellationToken.None)).ShouldBeTrue();
        watch.ResponseStream.Current.Status.ShouldBe(ServingStatus.ServiceUnknown);
    }

    [Fact]
    public async Task Only_so_many_watches_are_open()
    {
        await using var coordinator = await TestCoordinator.StartAsync();
        var client = new Health.HealthClient(coordinator.Channel);
        var watches = new List<AsyncServerStreamingCall<HealthCheckResponse>>();
        RpcException? refused = null;
        while (refused is null && watches.Count < 300)
        {
            var watch = client.Watch(new HealthCheckRequest());
            watches.Add(watch);
            try
            {
                await watch.ResponseStream.MoveNext(CancellationToken.None);
            }
            catch (RpcException exception)
            {
                refused = exception;
            }
        }

        refused.ShouldNotBeNull().StatusCode.ShouldBe(StatusCode.ResourceExhausted);
        watches.ForEach(watch => watch.Dispose());
    }

    [Fact]
    public async Task The_Python_library_of_gRPC_is_answered()
    {
        await using var coordinator = await TestCoordinator.StartAsync();
        // By the numbers of the published proto: service = 1, status = 1; SERVING is 1, SERVICE_UNKNOWN 3.
        const string Script = """
            import sys, time, grpc
            channel = grpc.insecure_channel(sys.argv[1])
            check = channel.unary_unary('/grpc.health.v1.Health/Check')
            watch = channel.unary_stream('/grpc.health.v1.Health/Watch')
            for answer in watch(b'', timeout=30):
                if answer == b'\x08\x01':
                    break
            name = b'linformer.v1.Jobs'
            assert check(b'\x0a' + bytes([len(name)]) + name, timeout=10) == b'\x08\x01'
            assert next(iter(watch(b'\x0a\x01x', timeout=10))) == b'\x08\x03'
            try:
                check(b'\x0a\x01x', timeout=10)
                raise SystemExit('an unknown service was found')
            except grpc.RpcError as error:
                assert error.code() == grpc.StatusCode.NOT_FOUND
            print('ok')
            """;
        using var python = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo("/usr/bin/python3", ["-c", Script, coordinator.Host.Addresses[0].Authority])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        var (output, error) = (python.StandardOutput.ReadToEndAsync(), python.StandardError.ReadToEndAsync());
        await python.WaitForExitAsync();

        (await output).ShouldBe("ok\n", await error);
    }
}
