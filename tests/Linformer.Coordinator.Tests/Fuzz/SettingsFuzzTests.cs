using System.Security.Cryptography;
using System.Text;
using Grpc.Core;
using Linformer.Coordinator.Access;
using Linformer.Coordinator.Hosting;
using Linformer.Coordinator.Storage;
using Linformer.Coordinator.Storage.Postgres;
using Linformer.Coordinator.Tests.Services;
using Linformer.Coordinator.Tests.Storage;
using Linformer.Fuzzing;
using Linformer.Protocol.Wire;
using Xunit.Abstractions;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Tests.Fuzz;

/// <summary>Addresses, tokens and ids of a coordinator's settings and files, damaged, and the headers of calls.</summary>
public sealed class SettingsFuzzTests(ITestOutputHelper output) : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public void Database_addresses_are_read_or_refused_without_a_word_of_the_password() => Fuzzer(
        "database address",
        3000,
        ["postgresql://linformer:s3cr3t@db:5432/linformer?sslmode=verify-full&sslrootcert=/a/b", "postgres://[::1]:5432/x", "postgresql://u%40:p%3a@/db?host=/var/run/postgresql", "postgresql://db"],
        ["?host=", "&host=", "&sslmode=", "sslrootcert=", "%00", "%zz", "@", "[", "]", ":", ";", "=", "Host=evil;", "//"],
        e => e is FormatException).Run(
        text =>
        {
            // What follows a question mark is told as it is; a password stands before it.
            var parsed = PostgresAddress.Parse(Encoding.UTF8.GetString(text));
            parsed.ToString().ShouldStartWith("postgresql://");
        },
        output);

    [Fact]
    public void Listen_addresses_are_read_or_refused() => Fuzzer(
        "listen address", 4000, ["127.0.0.1:7070", "[::1]:0", "localhost:7070", "*:65535", "[fe80::1%eth0]:1"], ["[", "]", ":", "%", "::", "*"], e => e is FormatException).Run(
        text =>
        {
            var parsed = ListenAddress.Parse(Encoding.UTF8.GetString(text));
            parsed.Port.ShouldBeInRange(0, 65_535);
            ListenAddress.Parse(parsed.ToString()).ShouldBe(parsed);
        },
        output);

    [Fact]
    public void Token_files_are_read_or_refused()
    {
        var path = _folder.File("tokens");
        var good = TokenFile.Own(path, "join-token", _ => { }).First;
        Fuzzer("token file", 500, [good + "\n", good, $"# old\n{good}\n\n{good}x\n"], ["\n", "\r\n", " ", "#"], e => e is StorageException).Run(
            content =>
            {
                File.WriteAllBytes(path, content);
                var file = new TokenFile(path, "join-token", _ => { });
                file.Has(SHA256.HashData(Encoding.UTF8.GetBytes(file.First))).ShouldBeTrue();
                file.Has(SHA256.HashData([])).ShouldBeFalse();
            },
            output);
    }

    [Fact]
    public void Storage_ids_are_read_or_refused()
    {
        var good = StorageId.LoadOrCreate(_folder.Path).Value;
        Fuzzer("storage id", 500, [good + "\n"], ["\n", " "], e => e is StorageException).Run(
            content =>
            {
                File.WriteAllBytes(_folder.File(StorageId.FileName), content);
                StorageId.LoadOrCreate(_folder.Path).Value.ShouldAllBe(character => char.IsAsciiLetterOrDigit(character) || character == '-');
            },
            output);
    }

    [Fact]
    public async Task Headers_of_calls_let_nobody_in_and_stop_nothing()
    {
        await using var coordinator = await TestCoordinator.StartAsync(
            change: options => options with { Limits = options.Limits with { WrongTokensPerMinute = int.MaxValue } });
        var token = MetadataNames.BearerPrefix + coordinator.Host.JoinToken;
        Fuzzer(
            "authorization header", 150, [token, token[..^1], MetadataNames.BearerPrefix, "Basic YTpi"], ["Bearer ", "bearer", " ", ",", "="], e => e is RpcException { StatusCode: StatusCode.Unauthenticated }).Run(
            header =>
            {
                // Characters that HTTP/2 does not carry never reach a coordinator.
                var text = string.Concat(Encoding.Latin1.GetString(header).Where(character => character is >= ' ' and <= '~')).Trim();
                using var call = new Proto.Agents.AgentsClient(coordinator.Channel).Connect(
                    new Metadata { { MetadataNames.Authorization, text.Length > 8000 ? text[..8000] : text } }, DateTime.UtcNow.AddSeconds(15));
                try
                {
                    call.RequestStream.WriteAsync(new Proto.AgentMessage { Hello = FakeAgent.Hello() }).GetAwaiter().GetResult();
                }
                catch (Exception e) when (e is RpcException or InvalidOperationException)
                {
                    // The answer says why.
                }

                call.ResponseStream.MoveNext(CancellationToken.None).GetAwaiter().GetResult();
                var given = text.Length > 7 && text.StartsWith(MetadataNames.BearerPrefix, StringComparison.OrdinalIgnoreCase) ? text[MetadataNames.BearerPrefix.Length..].Trim() : "";
                given.ShouldBe(coordinator.Host.JoinToken);
            },
            output);
        (await coordinator.SubmitAsync()).Id.ShouldNotBeEmpty();
    }

    public void Dispose() => _folder.Dispose();

    private static Fuzzer Fuzzer(string name, int cases, string[] corpus, string[] words, Func<Exception, bool> mayThrow) => new()
    {
        Name = name,
        Corpus = [.. corpus.Select(Encoding.UTF8.GetBytes)],
        Dictionary = words,
        Cases = cases,
        MayThrow = mayThrow,
        LongestInput = 8 << 10,
    };
}
