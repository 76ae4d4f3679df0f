using Grpc.ContractTests.Contract;
using Grpc.Core;

namespace Grpc.ContractTests;

/// <summary>Headers and trailers.</summary>
public sealed class MetadataTests
{
    private static readonly byte[] Bytes = [0, 1, 127, 128, 255, 10, 13];

    [Fact]
    public void Keys_are_lower_case_and_found_in_any_case()
    {
        var metadata = new Metadata { { "Some-Key", "1" }, { "some-key", "2" }, { "data-bin", Bytes } };

        metadata.Select(e => e.Key).ShouldBe(["some-key", "some-key", "data-bin"]);
        metadata.GetValue("SOME-KEY").ShouldBe("2");
        metadata.GetAll("some-key").Select(e => e.Value).ShouldBe(["1", "2"]);
        metadata.GetValueBytes("data-bin").ShouldBe(Bytes);
        metadata.Get("other").ShouldBeNull();
        metadata.GetValue("other").ShouldBeNull();
    }

    [Fact]
    public void Binary_and_text_values_are_kept_apart()
    {
        Should.Throw<ArgumentException>(() => new Metadata.Entry("key-bin", "text"));
        Should.Throw<ArgumentException>(() => new Metadata.Entry("key", Bytes));
        Should.Throw<InvalidOperationException>(() => new Metadata.Entry("key-bin", Bytes).Value);
        new Metadata.Entry("key-bin", Bytes).IsBinary.ShouldBeTrue();
        new Metadata.Entry("key", "ab").ValueBytes.ShouldBe("ab"u8.ToArray());
    }

    [Theory]
    [InlineData("with space")]
    [InlineData("colon:")]
    [InlineData("ümlaut")]
    [InlineData("new\nline")]
    public void Keys_of_other_letters_are_refused(string key) =>
        Should.Throw<ArgumentException>(() => new Metadata.Entry(key, "value"));

    [Fact]
    public void Bytes_are_copied()
    {
        var bytes = Bytes.ToArray();
        var entry = new Metadata.Entry("key-bin", bytes);
        bytes[0] = 99;
        entry.ValueBytes[1] = 99;

        entry.ValueBytes.ShouldBe(Bytes);
    }

    [Fact]
    public void The_empty_metadata_stays_empty()
    {
        Metadata.Empty.IsReadOnly.ShouldBeTrue();
        Should.Throw<InvalidOperationException>(() => Metadata.Empty.Add("key", "value"));
    }

    [Fact]
    public void Metadata_is_a_list()
    {
        var entry = new Metadata.Entry("b", "2");
        var metadata = new Metadata { { "a", "1" }, entry };

        metadata.Count.ShouldBe(2);
        metadata.IndexOf(entry).ShouldBe(1);
        metadata.Contains(entry).ShouldBeTrue();
        metadata.Remove(entry).ShouldBeTrue();
        metadata.Insert(0, entry);
        metadata[0].ShouldBeSameAs(entry);
        metadata.RemoveAt(1);
        metadata.ShouldHaveSingleItem();
        metadata.Clear();
        metadata.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_server_sees_the_clients_headers()
    {
        Metadata? seen = null;
        await using var server = await TestServer.StartAsync(new Handlers
        {
            Unary = (request, context) =>
            {
                seen = context.RequestHeaders;
                return Task.FromResult(request);
            },
        });

        await server.Client.UnaryAsync(new Part(), new Metadata { { "X-Text", "some text" }, { "x-data-bin", Bytes }, { "x-empty", "" } });

        seen.ShouldNotBeNull();
        seen.GetValue("x-text").ShouldBe("some text");
        seen.GetValueBytes("x-data-bin").ShouldBe(Bytes);
        seen.GetValue("x-empty").ShouldBe("");
        seen.GetValue("user-agent").ShouldNotBeNull();
        seen.Get("content-type").ShouldBeNull();
        seen.Get("te").ShouldBeNull();
        seen.Get("grpc-accept-encoding").ShouldBeNull();
    }

    [Fact]
    public async Task A_client_sees_the_servers_headers_before_the_first_message()
    {
        var seen = new Signal();
        await using var server = await TestServer.StartAsync(new Handlers
        {
            Download = async (_, responses, context) =>
            {
                await context.WriteResponseHeadersAsync(new Metadata { { "x-text", "early" }, { "x-data-bin", Bytes } });
                await seen.WaitAsync();
                await responses.WriteAsync(new Part());
            },
        });

        using var call = server.Client.Download(new Part());
        var headers = await call.ResponseHeadersAsync;
        headers.GetValue("x-text").ShouldBe("early");
        headers.GetValueBytes("x-data-bin").ShouldBe(Bytes);
        seen.Set();

        (await Expect.ReadAllAsync(call.ResponseStream)).ShouldHaveSingleItem();
    }

    [Fact]
    public async Task Headers_are_written_once()
    {
        await using var server = await TestServer.StartAsync(new Handlers
        {
            Unary = async (request, context) =>
            {
                await context.WriteResponseHeadersAsync([]);
                await Should.ThrowAsync<InvalidOperationException>(() => context.WriteResponseHeadersAsync([]));
                return request;
            },
        });

        await server.Client.UnaryAsync(new Part());
    }

    [Fact]
    public async Task Trailers_come_after_the_messages()
    {
        await using var server = await TestServer.StartAsync(new Handlers
        {
            Unary = (request, context) =>
            {
                context.ResponseTrailers.Add("x-text", "late");
                context.ResponseTrailers.Add("x-data-bin", Bytes);
                return Task.FromResult(request);
            },
            Download = async (_, responses, context) =>
            {
                await responses.WriteAsync(new Part());
                context.ResponseTrailers.Add("x-text", "later");
            },
        });

        using var unary = server.Client.UnaryAsync(new Part());
        await unary;
        unary.GetTrailers().GetValue("x-text").ShouldBe("late");
        unary.GetTrailers().GetValueBytes("x-data-bin").ShouldBe(Bytes);
        unary.GetTrailers().Get("grpc-status").ShouldBeNull();

        using var streaming = server.Client.Download(new Part());
        Should.Throw<InvalidOperationException>(() => streaming.GetTrailers());
        await Expect.ReadAllAsync(streaming.ResponseStream);
        streaming.GetTrailers().GetValue("x-text").ShouldBe("later");
    }

    [Fact]
    public async Task Failed_calls_have_trailers_with_and_without_messages()
    {
        await using var server = await TestServer.StartAsync(new Handlers
        {
            Unary = (_, context) =>
            {
                context.ResponseTrailers.Add("from", "context");
                throw new RpcException(new Status(StatusCode.NotFound, "no"), new Metadata { { "data-bin", Bytes } });
            },
            Download = async (_, responses, _) =>
            {
                await responses.WriteAsync(new Part());
                throw new RpcException(new Status(StatusCode.NotFound, "no"), new Metadata { { "data-bin", Bytes } });
            },
        });

        var exception = await Expect.StatusAsync(server.Client.UnaryAsync(new Part()), StatusCode.NotFound);
        exception.Trailers.GetValue("from").ShouldBe("context");
        exception.Trailers.GetValueBytes("data-bin").ShouldBe(Bytes);

        using var call = server.Client.Download(new Part());
        (await call.ResponseStream.MoveNext()).ShouldBeTrue();
        exception = await Expect.StatusAsync(call.ResponseStream.MoveNext(), StatusCode.NotFound);
        exception.Trailers.GetValueBytes("data-bin").ShouldBe(Bytes);
        call.GetTrailers().GetValueBytes("data-bin").ShouldBe(Bytes);
    }
}
