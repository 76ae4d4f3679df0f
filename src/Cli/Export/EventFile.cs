using System.Buffers;
using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Linformer.Cli.Export.TensorBoard;
using Linformer.Cli.Progress;
using Linformer.Protocol.V1;
using Event = Linformer.Cli.Export.TensorBoard.Event;
using Value = Linformer.Cli.Export.TensorBoard.Value;

namespace Linformer.Cli.Export;

/// <summary>Writes an event file of TensorBoard: records with a length and checksums, each an event.</summary>
internal sealed class EventFile : IAsyncDisposable
{
    private const int LengthBytes = sizeof(ulong);
    private const int ChecksumBytes = sizeof(uint);
    private const uint ChecksumMask = 0xa282ead8;

    private readonly ArrayBufferWriter<byte> _record = new();
    private readonly FileStream _file;

    private EventFile(FileStream file) => _file = file;

    /// <summary>Starts a file, whose name is such that TensorBoard finds it.</summary>
    /// <param name="folder">Where to.</param>
    /// <param name="now">The time now, in UTC.</param>
    /// <param name="cancellation">Ends it early.</param>
    public static async Task<EventFile> CreateAsync(string folder, DateTime now, CancellationToken cancellation)
    {
        var host = string.Concat(Environment.MachineName.Select(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '.' ? c : '-'));
        var seconds = new DateTimeOffset(now).ToUnixTimeSeconds();
        var path = Path.Combine(folder, FormattableString.Invariant($"events.out.tfevents.{seconds:0000000000}.{host}.linformer"));
        var file = new EventFile(new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.Read, bufferSize: 1 << 16));
        await file.AddAsync(
            new Event { WallTime = seconds, FileVersion = "brain.Event:2", SourceMetadata = new Source { Writer = "linformer" } }, cancellation);
        return file;
    }

    /// <summary>Adds a text, which is shown as it is.</summary>
    /// <param name="tag">Its name.</param>
    /// <param name="text">Of any lines.</param>
    /// <param name="at">When it was written.</param>
    /// <param name="cancellation">Ends it early.</param>
    public Task AddTextAsync(string tag, string text, Timestamp? at, CancellationToken cancellation)
    {
        // The plugin takes it for Markdown; what is indented is code.
        var code = string.Concat(text.ReplaceLineEndings("\n").Split('\n').Select(line => $"    {line}\n"));
        var tensor = new Tensor
        {
            Dtype = ElementType.String,
            TensorShape = new Shape { Dim = { new Dimension { Size = 1 } } },
            StringVal = { ByteString.CopyFromUtf8(code) },
        };
        var metadata = new Metadata { PluginData = new Plugin { PluginName = "text" }, DataClass = DataClass.Tensor };
        var value = new Value { Tag = tag, Tensor = tensor, Metadata = metadata };
        return AddAsync(new Event { WallTime = Seconds(at), Summary = new Summary { Value = { value } } }, cancellation);
    }

    /// <summary>Adds the numbers of a step. One that was left out has only what is known of it.</summary>
    /// <param name="point">The step.</param>
    /// <param name="cancellation">Ends it early.</param>
    public Task AddAsync(MetricPoint point, CancellationToken cancellation)
    {
        var summary = new Summary();
        if (!ProgressText.IsLeftOut(point.Loss, point.TokensPerSecond))
        {
            summary.Value.Add(Scalar("loss/train", point.Loss));
            summary.Value.Add(Scalar("tokens_per_second", point.TokensPerSecond));
        }

        if (point.HasHeldOutLoss)
            summary.Value.Add(Scalar("loss/held_out", point.HeldOutLoss));
        foreach (var (name, value) in point.Measures.OrderBy(measure => measure.Key, StringComparer.Ordinal))
            summary.Value.Add(Scalar($"held_out/{name}", value));
        summary.Value.Add(Scalar("learning_rate", point.LearningRate));
        if (point.HasGradientNorm)
            summary.Value.Add(Scalar("gradient_norm", point.GradientNorm));
        summary.Value.Add(Scalar("world_size", point.WorldSize));
        return AddAsync(new Event { WallTime = Seconds(point.At), Step = point.Step, Summary = summary }, cancellation);
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _file.DisposeAsync();

    /// <summary>The checksum of a part of a record: CRC-32C, turned and moved, as data with checksums in it has weak ones otherwise.</summary>
    public static uint MaskedChecksum(ReadOnlySpan<byte> data)
    {
        var crc = uint.MaxValue;
        var words = data[..(data.Length & ~7)];
        foreach (var word in MemoryMarshal.Cast<byte, ulong>(words))
            crc = BitOperations.Crc32C(crc, BitConverter.IsLittleEndian ? word : BinaryPrimitives.ReverseEndianness(word));
        foreach (var octet in data[words.Length..])
            crc = BitOperations.Crc32C(crc, octet);
        return BitOperations.RotateRight(~crc, 15) + ChecksumMask;
    }

    private static Value Scalar(string tag, double value) => new() { Tag = tag, SimpleValue = (float)value };

    private static double Seconds(Timestamp? time) => time is null ? 0 : time.Seconds + (time.Nanos / 1e9);

    private async Task AddAsync(Event record, CancellationToken cancellation)
    {
        _record.ResetWrittenCount();
        var size = record.CalculateSize();
        var head = _record.GetSpan(LengthBytes + ChecksumBytes);
        BinaryPrimitives.WriteUInt64LittleEndian(head, (ulong)size);
        BinaryPrimitives.WriteUInt32LittleEndian(head[LengthBytes..], MaskedChecksum(head[..LengthBytes]));
        _record.Advance(LengthBytes + ChecksumBytes);
        record.WriteTo(_record);
        var checksum = MaskedChecksum(_record.WrittenSpan[(LengthBytes + ChecksumBytes)..]);
        BinaryPrimitives.WriteUInt32LittleEndian(_record.GetSpan(ChecksumBytes), checksum);
        _record.Advance(ChecksumBytes);
        await _file.WriteAsync(_record.WrittenMemory, cancellation);
    }
}
