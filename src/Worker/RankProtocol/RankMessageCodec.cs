using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace Linformer.Worker.RankProtocol;

/// <summary>Messages as lines: UTF-8 JSON without a line break inside, ended by one.</summary>
public static class RankMessageCodec
{
    /// <summary>The longest line that either side sends or takes, in bytes without the line break.</summary>
    public const int MaximumLineBytes = 1 << 20;

    private const int ShownCharacters = 200;

    /// <summary>A message as a line, with its line break.</summary>
    /// <param name="message">The message.</param>
    /// <exception cref="ArgumentException">The line would be longer than <see cref="MaximumLineBytes"/>.</exception>
    public static byte[] ToLine(RankMessage message) => ToLine(message, RankProtocolJson.Default.RankMessage, MaximumLineBytes);

    /// <summary>A message as a line, with its line break. The launcher is trusted: its lines have no limit.</summary>
    /// <param name="message">The message.</param>
    public static byte[] ToLine(LauncherMessage message) => ToLine(message, RankProtocolJson.Default.LauncherMessage, int.MaxValue);

    /// <summary>Reads a rank's line.</summary>
    /// <param name="line">The line without its line break.</param>
    /// <exception cref="RankProtocolException">The line is not a message of a rank.</exception>
    public static RankMessage ReadRankMessage(ReadOnlySpan<byte> line) => Read(line, RankProtocolJson.Default.RankMessage);

    /// <summary>Reads the launcher's line.</summary>
    /// <param name="line">The line without its line break.</param>
    /// <exception cref="RankProtocolException">The line is not a message of the launcher.</exception>
    public static LauncherMessage ReadLauncherMessage(ReadOnlySpan<byte> line) => Read(line, RankProtocolJson.Default.LauncherMessage);

    private static byte[] ToLine<T>(T message, JsonTypeInfo<T> type, int limit)
        where T : notnull
    {
        var json = JsonSerializer.SerializeToUtf8Bytes(message, type);
        return json.Length <= limit
            ? [.. json, (byte)'\n']
            : throw new ArgumentException($"A {message.GetType().Name} takes {json.Length} bytes; allowed are {limit}.", nameof(message));
    }

    private static T Read<T>(ReadOnlySpan<byte> line, JsonTypeInfo<T> type)
    {
        try
        {
            return JsonSerializer.Deserialize(line, type) ?? throw new RankProtocolException("sent the line 'null'");
        }
        catch (Exception e) when (e is JsonException or NotSupportedException)
        {
            throw new RankProtocolException($"sent a line that is no message: '{Shown(line)}' ({e.Message})", e);
        }
    }

    private static string Shown(ReadOnlySpan<byte> line)
    {
        var text = Encoding.UTF8.GetString(line[..Math.Min(line.Length, ShownCharacters)]);
        return line.Length <= ShownCharacters ? text : text + "…";
    }
}

/// <summary>The other side of a control pipe does not keep to the protocol.</summary>
public sealed class RankProtocolException : Exception
{
    /// <summary>Makes the exception.</summary>
    /// <param name="message">What the other side did; a predicate, so that a sentence can start with its name.</param>
    /// <param name="innerException">The cause, if another exception is.</param>
    public RankProtocolException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    AllowOutOfOrderMetadataProperties = true,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(LauncherMessage))]
[JsonSerializable(typeof(RankMessage))]
internal sealed partial class RankProtocolJson : JsonSerializerContext;
