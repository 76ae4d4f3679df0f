using System.Globalization;
using System.Text;

namespace Grpc.Protocol;

/// <summary>Names and encodings that both sides use.</summary>
internal static class Wire
{
    public const string ContentType = "application/grpc";
    public const string Status = "grpc-status";
    public const string Message = "grpc-message";
    public const string Timeout = "grpc-timeout";
    public const string Encoding = "grpc-encoding";
    public const string AcceptEncoding = "grpc-accept-encoding";

    /// <summary>RST_STREAM's error code for a cancelled stream.</summary>
    public const int ResetCancel = 8;

    /// <summary>The largest timeout that the header can hold.</summary>
    public static readonly TimeSpan MaxTimeout = TimeSpan.FromSeconds(99_999_999);

    public static bool IsGrpc(string? contentType) =>
        contentType != null
        && contentType.StartsWith(ContentType, StringComparison.OrdinalIgnoreCase)
        && (contentType.Length == ContentType.Length || contentType[ContentType.Length] is ';' or '+');

    /// <summary>At most eight digits and a unit.</summary>
    public static string EncodeTimeout(TimeSpan timeout)
    {
        var milliseconds = (long)timeout.TotalMilliseconds;
        return milliseconds switch
        {
            <= 0 => "1n",
            < 100_000_000 => milliseconds.ToString(CultureInfo.InvariantCulture) + "m",
            _ => ((milliseconds + 999) / 1000).ToString(CultureInfo.InvariantCulture) + "S",
        };
    }

    /// <summary>Null for what is not a positive timeout.</summary>
    public static TimeSpan? DecodeTimeout(string? text)
    {
        if (text is not { Length: >= 2 }
            || !int.TryParse(text.AsSpan(0, text.Length - 1), NumberStyles.None, CultureInfo.InvariantCulture, out var value))
        {
            return null;
        }
        TimeSpan? timeout = text[^1] switch
        {
            'H' => TimeSpan.FromHours(value),
            'M' => TimeSpan.FromMinutes(value),
            'S' => TimeSpan.FromSeconds(value),
            'm' => TimeSpan.FromMilliseconds(value),
            'u' => TimeSpan.FromMicroseconds(value),
            'n' => TimeSpan.FromTicks(value / TimeSpan.NanosecondsPerTick),
            _ => null,
        };
        return timeout > TimeSpan.Zero ? (timeout < MaxTimeout ? timeout : MaxTimeout) : null;
    }

    /// <summary>Base 64 with or without padding.</summary>
    public static byte[] DecodeBinary(string value) =>
        Convert.FromBase64String(value.PadRight((value.Length + 3) / 4 * 4, '='));

    /// <summary>UTF-8, with everything but printable ASCII, and the percent sign, percent-encoded.</summary>
    public static string EncodeMessage(string message)
    {
        if (message.All(IsPlain))
        {
            return message;
        }
        var encoded = new StringBuilder(message.Length + 16);
        foreach (var b in System.Text.Encoding.UTF8.GetBytes(message))
        {
            if (IsPlain((char)b))
            {
                encoded.Append((char)b);
            }
            else
            {
                encoded.Append('%').Append(b.ToString("X2", CultureInfo.InvariantCulture));
            }
        }
        return encoded.ToString();
    }

    /// <summary>What is not well encoded is kept as it is.</summary>
    public static string DecodeMessage(string message) => Uri.UnescapeDataString(message);

    /// <summary>The exception's type and message, and those of the exceptions in it.</summary>
    public static string Describe(Exception exception)
    {
        var text = new StringBuilder();
        for (var e = exception; e != null; e = e.InnerException)
        {
            text.Append(text.Length == 0 ? "" : " ").Append(e.GetType().Name).Append(": ").Append(e.Message);
        }
        return text.ToString();
    }

    private static bool IsPlain(char c) => c is >= ' ' and <= '~' and not '%';
}
