namespace Linformer.Data.Shards;

/// <summary>
/// The layout of a shard, little-endian throughout: a header (magic, version, bytes per token, vocabulary size, reserved);
/// the tokens; the end of each document that ends in the shard, as a number of tokens (uint64); a hash of each such
/// document's tokens (uint64); a footer (number of tokens, number of documents, SHA-256 of all before the hash).
/// </summary>
internal static class ShardFile
{
    public const int FormatVersion = 1;
    public const int HeaderBytes = 32;
    public const int HashBytes = 32;
    public const int FooterBytes = 16 + HashBytes;

    public static ReadOnlySpan<byte> Magic => "LINTOKEN"u8;

    public static int BytesPerToken(int vocabularySize) => vocabularySize <= 65536 ? 2 : 4;
}

/// <summary>A finished shard.</summary>
/// <param name="File">Its file name.</param>
/// <param name="Tokens">How many tokens it has.</param>
/// <param name="Documents">How many documents end in it.</param>
/// <param name="Bytes">The size of the file.</param>
/// <param name="Sha256">The hash that ends the file: SHA-256 of all bytes before it, in lower-case hexadecimal.</param>
public sealed record ShardInfo(string File, long Tokens, long Documents, long Bytes, string Sha256);
