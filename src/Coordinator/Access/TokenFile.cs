using System.Security.Cryptography;
using System.Text;
using Linformer.Coordinator.Storage;
using Linformer.Protocol.Security;

namespace Linformer.Coordinator.Access;

/// <summary>Tokens in a file, one a line, each as good as the other; read again when it changes. Empty lines and those that begin with # are skipped.</summary>
public sealed class TokenFile
{
    /// <summary>The fewest characters of a token.</summary>
    public const int ShortestToken = 16;

    /// <summary>The most characters of a token.</summary>
    public const int LongestToken = 1024;

    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const int LargestFile = 64 << 10;

    private readonly ReloadedFiles<Contents> _file;

    /// <summary>Reads the file.</summary>
    /// <param name="path">The file, which exists.</param>
    /// <param name="name">The public name of its tokens.</param>
    /// <param name="report">Is told when it was read again, or could not be.</param>
    /// <exception cref="StorageException">It cannot be read, or something in it is no token.</exception>
    public TokenFile(string path, string name, Action<string> report)
    {
        Path = path;
        Name = name;
        _file = new ReloadedFiles<Contents>([path], () => Load(path, again: _file is not null, report), report);
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>The public name of its tokens.</summary>
    public string Name { get; }

    /// <summary>The first token; empty if there is none any more.</summary>
    public string First => _file.Current.First;

    /// <summary>Makes the file with a new token if it is not there, and reads it. Only its owner may read it from then on.</summary>
    /// <exception cref="StorageException">It cannot be read or made, or something in it is no token.</exception>
    public static TokenFile Own(string path, string name, Action<string> report)
    {
        try
        {
            if (!File.Exists(path))
                FirstFile.Create(path, TokenText.MakeBootstrap(name.Split('-')[0]) + "\n", OwnerOnly);
            if (!OperatingSystem.IsWindows())
                File.SetUnixFileMode(path, OwnerOnly);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw Unreadable(path, exception);
        }
        return new TokenFile(path, name, report);
    }

    /// <summary>Whether a hash is that of one of the tokens; takes the same time for every wrong one.</summary>
    public bool Has(ReadOnlySpan<byte> hash)
    {
        var found = false;
        foreach (var one in _file.Current.Hashes)
            found |= CryptographicOperations.FixedTimeEquals(one, hash);
        return found;
    }

    /// <summary>The hash of the token that a session was made with; null if it was with none of these.</summary>
    /// <param name="session">The session.</param>
    /// <param name="storage">The cluster's storage.</param>
    internal byte[]? Of(SealedSession session, StorageId storage) => session.TokenId == Name ? Array.Find(_file.Current.Hashes, hash => session.IsOf(hash, storage)) : null;

    private static Contents Load(string path, bool again, Action<string> report)
    {
        try
        {
            using var stream = File.OpenRead(path);
            var bytes = new byte[LargestFile + 1];
            var length = stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
            if (length > LargestFile)
                throw new StorageException($"{path} has more than {LargestFile:#,0} bytes, so it is no file of tokens.");
            var tokens = Encoding.UTF8.GetString(bytes, 0, length).Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
                .Where(line => !line.StartsWith('#')).ToList();
            if (tokens.Count == 0)
                return again ? None(path, "holds no token any more", report) : throw new StorageException($"{path} holds no token.");
            tokens.ForEach(token => Check(path, token));
            return new Contents(tokens[0], [.. tokens.Select(TokenText.Hash)]);
        }
        catch (Exception exception) when (again && exception is FileNotFoundException or DirectoryNotFoundException)
        {
            return None(path, "is not there any more", report);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw Unreadable(path, exception);
        }
    }

    // Whoever empties or deletes the file wants its tokens to end. A file that cannot be read says nothing of that.
    private static Contents None(string path, string why, Action<string> report)
    {
        report($"{path} {why}: NOBODY IS LET IN with a token of it until it holds one again.");
        return new Contents("", []);
    }

    private static void Check(string path, string token)
    {
        if (token.Length is < ShortestToken or > LongestToken || !token.All(character => char.IsAsciiLetterOrDigit(character) || "-._~+/=".Contains(character)))
        {
            throw new StorageException(
                $"A token in {path} has {token.Length} characters; a token is {ShortestToken} to {LongestToken} letters, digits or -._~+/= in a line of its own. Delete the file to have a new one made.");
        }
    }

    private static StorageException Unreadable(string path, Exception exception) => new($"The token {path} cannot be read or made: {exception.Message}", exception);

    // No record, which would show itself in a log.
    private sealed class Contents(string first, byte[][] hashes)
    {
        public string First { get; } = first;

        public byte[][] Hashes { get; } = hashes;
    }
}

/// <summary>The tokens with which a cluster begins: those of workers, and those of the user <c>admin</c>.</summary>
/// <param name="Join">With these workers join.</param>
/// <param name="Admin">With these the first person comes in.</param>
public sealed record BootstrapTokens(TokenFile Join, TokenFile Admin)
{
    private const string JoinName = "join-token";
    private const string AdminName = "user-token";

    /// <summary>Reads the files that the options name, or else those in the coordinator's folder, which are made if they are not there.</summary>
    /// <exception cref="StorageException">One cannot be read or made, or something in it is no token.</exception>
    public static BootstrapTokens Load(CoordinatorOptions options, Action<string> report) => new(
        Load(options, options.JoinTokenFile, JoinName, report), Load(options, options.AdminTokenFile, AdminName, report));

    private static TokenFile Load(CoordinatorOptions options, string? given, string name, Action<string> report) =>
        given is null ? TokenFile.Own(Path.Combine(options.CoordinatorFolder, name), name, report) : new TokenFile(given, name, report);
}
