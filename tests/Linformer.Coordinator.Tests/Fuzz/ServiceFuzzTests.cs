using System.Text;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Grpc.Core;
using Linformer.Coordinator.Tests.Services;
using Linformer.Fuzzing;
using Linformer.Fuzzing.Messages;
using Linformer.Protocol.Wire;
using Xunit.Abstractions;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Tests.Fuzz;

/// <summary>
/// Every method of every service of a real coordinator, by the descriptors: with messages of random content, and with damaged bytes.
/// It answers, or refuses in words; it never fails, and serves the next as before.
/// </summary>
public sealed class ServiceFuzzTests(ITestOutputHelper output)
{
    private static readonly Marshaller<byte[]> Raw = Marshallers.Create(bytes => bytes, bytes => bytes);

    private static readonly StatusCode[] InWords =
    [
        StatusCode.InvalidArgument, StatusCode.NotFound, StatusCode.FailedPrecondition, StatusCode.AlreadyExists, StatusCode.ResourceExhausted,
        StatusCode.OutOfRange, StatusCode.PermissionDenied, StatusCode.Unauthenticated, StatusCode.Unimplemented, StatusCode.Aborted,
    ];

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(15);

    private static IEnumerable<ServiceDescriptor> Services =>
        ((FileDescriptor[])
        [
            Proto.JobsReflection.Descriptor, Proto.WorkersReflection.Descriptor, Proto.CorporaReflection.Descriptor, Proto.ClusterReflection.Descriptor,
            Proto.AccessReflection.Descriptor,
        ]).SelectMany(file => file.Services);

    // What deletes jobs comes last, for then the others find some.
    private static IEnumerable<MethodDescriptor> Keeping => Services.SelectMany(service => service.Methods).Where(method => !method.IsClientStreaming && method != Delete);

    private static MethodDescriptor Delete => Proto.Jobs.Descriptor.FindMethodByName("Delete");

    [Fact]
    public async Task Messages_of_random_content_are_answered_or_refused()
    {
        await using var coordinator = await TestCoordinator.StartAsync();
        var messages = await MessagesAsync(coordinator);
        foreach (var method in Keeping)
            Fuzz(method);
        await ServesAsync(coordinator);
        Fuzz(Delete);
        await ServesAsync(coordinator, jobsLeft: 1);

        void Fuzz(MethodDescriptor method) => Fuzzer(method.FullName, 20).Run(
            random => messages.Make(random, method.InputType).ToByteArray(), request => Call(coordinator, method, request), request => request, output);
    }

    [Fact]
    public async Task Damaged_bytes_are_answered_or_refused()
    {
        await using var coordinator = await TestCoordinator.StartAsync();
        var messages = await MessagesAsync(coordinator);
        foreach (var method in Keeping)
            Fuzz(method);
        await ServesAsync(coordinator);
        Fuzz(Delete);
        await ServesAsync(coordinator, jobsLeft: 1);

        void Fuzz(MethodDescriptor method)
        {
            var mutator = new Mutator([.. Enumerable.Range(0, 20).Select(i => messages.Make(new Random(i), method.InputType).ToByteArray())], [], 100_000);
            Fuzzer(method.FullName, 12).Run(mutator.Next, request => Call(coordinator, method, request, mayBeNoMessage: !Parses(method.InputType, request)), request => request, output);
        }
    }

    [Fact]
    public async Task Agents_that_say_anything_are_answered_or_refused()
    {
        await using var coordinator = await TestCoordinator.StartAsync();
        var messages = await MessagesAsync(coordinator);
        Fuzzer("an agent's stream", 80).Run(
            random => (Proto.AgentMessage[])[First(random, messages), .. Enumerable.Range(0, random.Next(1, 6)).Select(_ => (Proto.AgentMessage)messages.Make(random, Proto.AgentMessage.Descriptor))],
            stream => Talk(coordinator, stream),
            stream => [.. stream.SelectMany(message => message.ToByteArray())],
            output);
        await ServesAsync(coordinator);
    }

    private static Fuzzer Fuzzer(string name, int cases) => new()
    {
        Name = name.Replace('/', '.'),
        Corpus = [],
        Cases = cases,
        // The client's side of a call, and what the answer holds.
        AllocationBase = 32 << 20,
        AllocationPerByte = 1000,
        MayThrow = e => e is RpcException refusal && InWords.Contains(refusal.StatusCode) && refusal.Status.Detail.Length > 0,
        Patience = TimeSpan.FromSeconds(60),
        MayAllBeTheSame = true,
    };

    // Two jobs to ask for, one of them held, and workers that were there.
    private static async Task<RandomMessages> MessagesAsync(TestCoordinator coordinator)
    {
        var job = await coordinator.SubmitAsync("one");
        var held = await coordinator.SubmitAsync("two");
        using var agent = new FakeAgent(coordinator);
        await agent.JoinAsync("w1");
        return new RandomMessages(
            [job.Id, held.Id, "one", "two", "w1", "w2", "127.0.0.1", "cpu", "ada", "training", "person:ada", job.Id, "w1"],
            [Encoding.UTF8.GetBytes(TestCoordinator.JobFile("three")), Encoding.UTF8.GetBytes("name: x"), [], [0, 255, 1], new byte[70_000]]);
    }

    private static Proto.AgentMessage First(Random random, RandomMessages messages)
    {
        var hello = random.Next(4) == 0
            ? (Proto.Hello)messages.Make(random, Proto.Hello.Descriptor)
            : FakeAgent.Hello($"w{random.Next(3)}", random.Next(4));
        return random.Next(10) == 0 ? (Proto.AgentMessage)messages.Make(random, Proto.AgentMessage.Descriptor) : new Proto.AgentMessage { Hello = hello };
    }

    private static bool Parses(MessageDescriptor type, byte[] bytes)
    {
        try
        {
            type.Parser.ParseFrom(bytes);
            return true;
        }
        catch (InvalidProtocolBufferException)
        {
            return false;
        }
    }

    private static void Call(TestCoordinator coordinator, MethodDescriptor method, byte[] request, bool mayBeNoMessage = false)
    {
        var type = method.IsServerStreaming ? MethodType.ServerStreaming : MethodType.Unary;
        var raw = new Method<byte[], byte[]>(type, method.Service.FullName, method.Name, Raw, Raw);
        var invoker = coordinator.Channel.CreateCallInvoker();
        try
        {
            var options = new CallOptions(deadline: DateTime.UtcNow + Patience);
            if (type == MethodType.Unary)
            {
                using var call = invoker.AsyncUnaryCall(raw, null, options, request);
                call.ResponseAsync.GetAwaiter().GetResult();
                return;
            }

            using var stream = invoker.AsyncServerStreamingCall(raw, null, options, request);
            // Some streams end with the job only.
            using var enough = new CancellationTokenSource(TimeSpan.FromMilliseconds(30));
            for (var i = 0; i < 3 && stream.ResponseStream.MoveNext(enough.Token).GetAwaiter().GetResult(); i++)
            {
            }
        }
        catch (RpcException e) when (e.StatusCode == StatusCode.Cancelled || (mayBeNoMessage && e.StatusCode is StatusCode.Internal or StatusCode.Unknown))
        {
            // Bytes that are no message are refused before any code of the coordinator.
        }
        catch (OperationCanceledException)
        {
            // Nothing came for a while.
        }
    }

    private static void Talk(TestCoordinator coordinator, Proto.AgentMessage[] stream)
    {
        using var call = new Proto.Agents.AgentsClient(coordinator.Channel).Connect(
            new Metadata { { MetadataNames.Authorization, MetadataNames.BearerPrefix + coordinator.Host.JoinToken } }, DateTime.UtcNow + Patience);
        try
        {
            foreach (var message in stream)
            {
                call.RequestStream.WriteAsync(message).GetAwaiter().GetResult();
            }

            call.RequestStream.CompleteAsync().GetAwaiter().GetResult();
        }
        catch (Exception e) when (e is RpcException or InvalidOperationException)
        {
            // The coordinator had heard enough; the answer says why.
        }

        try
        {
            while (call.ResponseStream.MoveNext(CancellationToken.None).GetAwaiter().GetResult())
            {
            }
        }
        catch (RpcException e) when (e.StatusCode == StatusCode.Unavailable && e.Status.Detail.Contains("it is out of date", StringComparison.Ordinal))
        {
            // The agent says that it has obeyed a later coordinator.
        }
    }

    private static async Task ServesAsync(TestCoordinator coordinator, int jobsLeft = 3)
    {
        var after = await coordinator.SubmitAsync("after");
        after.Id.ShouldStartWith("after-");
        var jobs = (await coordinator.Jobs.ListAsync(new Proto.ListJobsRequest { PageSize = 100 })).Jobs;
        jobs.Select(job => job.Id).ShouldContain(after.Id);
        jobs.Count.ShouldBeGreaterThanOrEqualTo(jobsLeft);
        await coordinator.Workers.ListAsync(new Proto.ListWorkersRequest());
        await coordinator.Corpora.ListAsync(new Proto.ListCorporaRequest());
    }
}
