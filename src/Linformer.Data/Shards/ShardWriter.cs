using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Linformer.Data.Shards;

/// <summary>Writes the tokens and documents of one shard to a stream; see <see cref="ShardFile"/> for the layout.</summary>
internal sealed class ShardWriter : IDisposable
{
    private readonly Stream _stream;
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly List<ulong> _documentEnds = [];
    private readonly List<ulong> _documentHashes = [];
    private readonly int _bytesPerToken;
    private readonly int _vocabularySize;
    private byte[] _bytes = [];
    private ulong _documentHash = DocumentHash.Empty;
    private long _written;

    public ShardWriter(Stream stream, int vocabularySize)
    {
        _stream = stream;
        _vocabularySize = vocabularySize;
        _bytesPerToken = ShardFile.BytesPerToken(vocabularySize);
        var header = new byte[ShardFile.HeaderBytes];
        ShardFile.Magic.CopyTo(header);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(8), ShardFile.FormatVersion);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(12), _bytesPerToken);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(16), vocabularySize);
        Write(header);
    }

    public long Tokens { get; private set; }

    public void Add(ReadOnlySpan<int> tokens)
    {
        if (_bytes.Length < tokens.Length * _bytesPerToken)
        {
            _bytes = new byte[tokens.Length * _bytesPerToken];
        }

        var hash = _documentHash;
        var highest = 0u;
        foreach (var token in tokens)
        {
            hash = DocumentHash.Add(hash, token);
            highest = Math.Max(highest, (uint)token);
        }

        if (highest >= (uint)_vocabularySize)
        {
            throw new ArgumentOutOfRangeException(nameof(tokens), (int)highest, $"A token must be below the vocabulary size, {_vocabularySize}.");
        }

        _documentHash = hash;
        Encode(tokens, _bytes);
        Write(_bytes.AsSpan(0, tokens.Length * _bytesPerToken));
        Tokens += tokens.Length;
    }

    public void EndDocument()
    {
        _documentEnds.Add((ulong)Tokens);
        _documentHashes.Add(DocumentHash.Finish(_documentHash));
        _documentHash = DocumentHash.Empty;
    }

    public ShardInfo Finish(string name)
    {
        WriteNumbers(_documentEnds);
        WriteNumbers(_documentHashes);
        WriteNumbers([(ulong)Tokens, (ulong)_documentEnds.Count]);
        var hash = _hash.GetHashAndReset();
        _stream.Write(hash);
        return new ShardInfo(name, Tokens, _documentEnds.Count, _written + hash.Length, Convert.ToHexStringLower(hash));
    }

    public void Dispose() => _hash.Dispose();

    private void Encode(ReadOnlySpan<int> tokens, Span<byte> bytes)
    {
        if (_bytesPerToken == 2)
        {
            for (var i = 0; i < tokens.Length; i++)
            {
                BinaryPrimitives.WriteUInt16LittleEndian(bytes[(i * 2)..], (ushort)tokens[i]);
            }
        }
        else
        {
            for (var i = 0; i < tokens.Length; i++)
            {
                BinaryPrimitives.WriteInt32LittleEndian(bytes[(i * 4)..], tokens[i]);
            }
        }
    }

    private void WriteNumbers(List<ulong> numbers)
    {
        if (!BitConverter.IsLittleEndian)
        {
            numbers = numbers.ConvertAll(BinaryPrimitives.ReverseEndianness);
        }

        Write(MemoryMarshal.AsBytes(CollectionsMarshal.AsSpan(numbers)));
    }

    private void Write(ReadOnlySpan<byte> bytes)
    {
        _stream.Write(bytes);
        _hash.AppendData(bytes);
        _written += bytes.Length;
    }
}

/// <summary>A hash of a document's tokens, by which equal documents always fall on the same side of a split.</summary>
internal static class DocumentHash
{
    public const ulong Empty = 14695981039346656037;

    public static ulong Add(ulong hash, int token) => unchecked((hash ^ (uint)token) * 1099511628211);

    // FNV's upper bits depend little on the last tokens: mix them (the finaliser of SplitMix64).
    public static ulong Finish(ulong hash)
    {
        unchecked
        {
            hash = (hash ^ (hash >> 30)) * 0xBF58476D1CE4E5B9;
            hash = (hash ^ (hash >> 27)) * 0x94D049BB133111EB;
            return hash ^ (hash >> 31);
        }
    }
}
