using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;

namespace Linformer.Data.Shards;

/// <summary>Reads a shard by positioned reads, never mapped into memory: a file that is cut off is an error, not a crash.</summary>
internal sealed class ShardReader : IDisposable
{
    private readonly SafeFileHandle _handle;
    private readonly string _path;
    private readonly int _bytesPerToken;
    private readonly int _vocabularySize;
    private long _reads;
    private long _tokensRead;

    private ShardReader(SafeFileHandle handle, string path, int vocabularySize)
    {
        (_handle, _path) = (handle, path);
        Bytes = RandomAccess.GetLength(handle);
        if (Bytes < ShardFile.HeaderBytes + ShardFile.FooterBytes)
        {
            throw Damaged($"it has only {Bytes} bytes");
        }

        Span<byte> header = stackalloc byte[ShardFile.HeaderBytes];
        ReadExactly(header, 0);
        if (!header.StartsWith(ShardFile.Magic))
        {
            throw Damaged("it is not a token shard");
        }

        var version = BinaryPrimitives.ReadInt32LittleEndian(header[8..]);
        if (version != ShardFile.FormatVersion)
        {
            throw Damaged($"its format version is {version}, expected {ShardFile.FormatVersion}");
        }

        _bytesPerToken = BinaryPrimitives.ReadInt32LittleEndian(header[12..]);
        _vocabularySize = BinaryPrimitives.ReadInt32LittleEndian(header[16..]);
        if (_vocabularySize != vocabularySize || _bytesPerToken != ShardFile.BytesPerToken(vocabularySize))
        {
            throw Damaged($"it is for a vocabulary of {_vocabularySize} tokens of {_bytesPerToken} bytes, expected {vocabularySize} of {ShardFile.BytesPerToken(vocabularySize)}");
        }

        Span<byte> footer = stackalloc byte[ShardFile.FooterBytes];
        ReadExactly(footer, Bytes - ShardFile.FooterBytes);
        Tokens = BinaryPrimitives.ReadInt64LittleEndian(footer);
        Documents = BinaryPrimitives.ReadInt64LittleEndian(footer[8..]);
        Sha256 = Convert.ToHexStringLower(footer[16..]);
        var content = Bytes - ShardFile.HeaderBytes - ShardFile.FooterBytes;
        if (Tokens < 0 || Tokens > content || Documents < 0 || Documents > content || (Tokens * _bytesPerToken) + (Documents * 16) != content)
        {
            throw Damaged("its size does not fit the counts at its end: it was cut off or altered");
        }
    }

    public long Tokens { get; }

    public long Documents { get; }

    public long Bytes { get; }

    public string Sha256 { get; }

    /// <summary>How often tokens were read, and how many in all.</summary>
    public (long Reads, long Tokens) ReadSoFar => (Interlocked.Read(ref _reads), Interlocked.Read(ref _tokensRead));

    /// <summary>Opens a shard and checks its size and counts.</summary>
    /// <exception cref="BadDataException">There is none, or it is damaged.</exception>
    /// <exception cref="IOException">The system cannot read it now.</exception>
    public static ShardReader Open(string path, int vocabularySize)
    {
        SafeFileHandle? handle = null;
        try
        {
            handle = File.OpenHandle(path, options: FileOptions.RandomAccess);
            return new ShardReader(handle, path, vocabularySize);
        }
        catch (Exception e)
        {
            handle?.Dispose();
            if (e is IOException or UnauthorizedAccessException)
            {
                throw Unreadable.As($"The shard {path} cannot be read: {e.Message}", e);
            }

            throw;
        }
    }

    /// <summary>Opens a shard that a manifest lists.</summary>
    /// <exception cref="BadDataException">There is none, or it is damaged or not the listed one.</exception>
    /// <exception cref="IOException">The system cannot read it now.</exception>
    public static ShardReader Open(string folder, ShardInfo expected, int vocabularySize)
    {
        var reader = Open(Path.Combine(folder, expected.File), vocabularySize);
        if (reader.Info(expected.File) == expected)
        {
            return reader;
        }

        using (reader)
        {
            throw reader.Damaged($"it has {reader.Tokens} tokens, {reader.Documents} documents and the hash {reader.Sha256}; the manifest says {expected.Tokens}, {expected.Documents} and {expected.Sha256}");
        }
    }

    public ShardInfo Info(string name) => new(name, Tokens, Documents, Bytes, Sha256);

    /// <summary>Reads tokens.</summary>
    /// <param name="first">The number of the first one; it and the ones after it must exist.</param>
    /// <param name="tokens">Filled with token ids, all below the vocabulary size.</param>
    public void Read(long first, Span<int> tokens)
    {
        Interlocked.Increment(ref _reads);
        Interlocked.Add(ref _tokensRead, tokens.Length);
        var bytes = ArrayPool<byte>.Shared.Rent(tokens.Length * _bytesPerToken);
        try
        {
            var raw = bytes.AsSpan(0, tokens.Length * _bytesPerToken);
            ReadExactly(raw, ShardFile.HeaderBytes + (first * _bytesPerToken));
            var highest = 0u;
            for (var i = 0; i < tokens.Length; i++)
            {
                var token = _bytesPerToken == 2 ? BinaryPrimitives.ReadUInt16LittleEndian(raw[(i * 2)..]) : BinaryPrimitives.ReadUInt32LittleEndian(raw[(i * 4)..]);
                tokens[i] = (int)token;
                highest = Math.Max(highest, token);
            }

            if (highest >= (uint)_vocabularySize)
            {
                throw Damaged($"it has a token {highest}, beyond the vocabulary of {_vocabularySize}");
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(bytes);
        }
    }

    /// <summary>The ends, in tokens from the shard's beginning, and hashes of the documents that end in the shard.</summary>
    public (long[] Ends, ulong[] Hashes) ReadDocuments()
    {
        var ends = new long[Documents];
        var hashes = new ulong[Documents];
        var position = ShardFile.HeaderBytes + (Tokens * _bytesPerToken);
        ReadExactly(MemoryMarshal.AsBytes(ends.AsSpan()), position);
        ReadExactly(MemoryMarshal.AsBytes(hashes.AsSpan()), position + (Documents * 8));
        if (!BitConverter.IsLittleEndian)
        {
            BinaryPrimitives.ReverseEndianness(ends, ends);
            BinaryPrimitives.ReverseEndianness(hashes, hashes);
        }

        var previous = 0L;
        foreach (var end in ends)
        {
            if (end < previous || end > Tokens)
            {
                throw Damaged($"a document ends at token {end}, outside {previous} to {Tokens}");
            }

            previous = end;
        }

        return (ends, hashes);
    }

    /// <summary>Reads the whole file and compares its SHA-256 with the one at its end.</summary>
    /// <exception cref="BadDataException">They differ.</exception>
    public void Verify(Action<long>? done = null, CancellationToken cancellationToken = default)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var bytes = ArrayPool<byte>.Shared.Rent(1 << 20);
        try
        {
            for (var position = 0L; position < Bytes - ShardFile.HashBytes;)
            {
                cancellationToken.ThrowIfCancellationRequested();
                var part = bytes.AsSpan(0, (int)Math.Min(bytes.Length, Bytes - ShardFile.HashBytes - position));
                ReadExactly(part, position);
                hash.AppendData(part);
                position += part.Length;
                done?.Invoke(part.Length);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(bytes);
        }

        if (Convert.ToHexStringLower(hash.GetHashAndReset()) != Sha256)
        {
            throw Damaged("its content does not have the SHA-256 that it ends with: it was altered");
        }
    }

    public void Dispose() => _handle.Dispose();

    private void ReadExactly(Span<byte> bytes, long position)
    {
        while (!bytes.IsEmpty)
        {
            int read;
            try
            {
                read = RandomAccess.Read(_handle, bytes, position);
            }
            catch (IOException e)
            {
                throw new IOException($"The shard {_path} cannot be read at byte {position}: {e.Message}", e);
            }

            if (read == 0)
            {
                throw Damaged($"it ends at byte {position}: it was cut off");
            }

            bytes = bytes[read..];
            position += read;
        }
    }

    private BadDataException Damaged(string what) =>
        new($"The shard {_path} is damaged: {what}. Delete its folder to have the shards made again.");
}
