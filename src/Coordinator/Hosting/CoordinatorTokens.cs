using System.Security.Cryptography;
using System.Text;
using Linformer.Coordinator.Storage;

namespace Linformer.Coordinator.Hosting;

/// <summary>The tokens that agents and people show. They are made at the first start, in files that only their owner may read.</summary>
public sealed class CoordinatorTokens
{
    /// <summary>The file of the token with which workers join.</summary>
    public const string JoinTokenFile = "join-token";

    /// <summary>The file of the token that people show when they come from other machines.</summary>
    public const string UserTokenFile = "user-token";

    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const int TokenBytes = 32;
    private const int ShortestToken = 16;
    private const int LongestToken = 1024;

    private CoordinatorTokens(string join, string user)
    {
        Join = join;
        User = user;
    }

    /// <summary>The token with which workers join.</summary>
    public string Join { get; }

    /// <summary>The token of people.</summary>
    public string User { get; }

    /// <summary>Reads the tokens, and makes those that are not there.</summary>
    /// <param name="folder">The coordinator's folder, which exists.</param>
    /// <exception cref="StorageException">A token cannot be read or made, or is too short to be one.</exception>
    public static CoordinatorTokens LoadOrCreate(string folder) => new(
        LoadOrCreateFile(Path.Combine(folder, JoinTokenFile)), LoadOrCreateFile(Path.Combine(folder, UserTokenFile)));

    /// <summary>Whether a text is the join token; takes the same time for every wrong one.</summary>
    public bool IsJoinToken(string text) => Same(text, Join);

    /// <summary>Whether a text is the user token; takes the same time for every wrong one.</summary>
    public bool IsUserToken(string text) => Same(text, User);

    private static bool Same(string left, string right) => CryptographicOperations.FixedTimeEquals(
        SHA256.HashData(Encoding.UTF8.GetBytes(left)), SHA256.HashData(Encoding.UTF8.GetBytes(right)));

    private static string LoadOrCreateFile(string path)
    {
        try
        {
            if (!File.Exists(path))
                FirstFile.Create(path, NewToken() + "\n", OwnerOnly);
            if (!OperatingSystem.IsWindows())
                File.SetUnixFileMode(path, OwnerOnly);
            using var stream = File.OpenRead(path);
            var bytes = new byte[LongestToken + 1];
            var length = stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
            var token = Encoding.UTF8.GetString(bytes, 0, length).Trim();
            return token.Length is >= ShortestToken and <= LongestToken && token.All(character => char.IsAsciiLetterOrDigit(character) || "-._~+/=".Contains(character))
                ? token
                : throw new StorageException(
                    $"The token in {path} has {token.Length} characters; a token is {ShortestToken} to {LongestToken} letters, digits or -._~+/= in one line. Delete the file to have a new one made.");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new StorageException($"The token {path} cannot be read or made: {exception.Message}", exception);
        }
    }

    private static string NewToken() => Convert.ToBase64String(RandomNumberGenerator.GetBytes(TokenBytes)).Replace('+', '-').Replace('/', '_').TrimEnd('=');
}
