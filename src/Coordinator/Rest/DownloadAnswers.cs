using System.Buffers;
using System.Formats.Tar;
using System.Globalization;
using System.Text;
using System.Threading.Channels;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Microsoft.AspNetCore.Http;
using Microsoft.Net.Http.Headers;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Rest;

/// <summary>Answers that browsers save as files.</summary>
internal static class Downloads
{
    /// <summary>Has a browser save what comes.</summary>
    /// <param name="http">The call.</param>
    /// <param name="type">What it is.</param>
    /// <param name="name">What the file is called.</param>
    public static void Announce(HttpContext http, string type, string name)
    {
        var disposition = new ContentDispositionHeaderValue("attachment");
        disposition.SetHttpFileName(name);
        http.Response.ContentType = type;
        http.Response.Headers.ContentDisposition = disposition.ToString();
    }

    /// <summary>A time as JSON has it.</summary>
    public static string Time(Timestamp? time) => time?.ToDateTime().ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture) ?? "";
}

/// <summary>Lines of text, which go out in pieces: nothing is sent, and an error can still be told, until there is one.</summary>
internal abstract class TextAnswer(HttpContext http, string type, string name, string head) : IRestAnswer
{
    private const int PieceBytes = 64 << 10;

    private readonly ArrayBufferWriter<byte> _piece = new();
    private bool _begun;

    /// <inheritdoc/>
    public async Task SendAsync(IMessage message, CancellationToken cancellationToken)
    {
        Begin();
        Add(Line(message));
        if (_piece.WrittenCount >= PieceBytes)
            await SendPieceAsync(cancellationToken);
    }

    /// <inheritdoc/>
    public Task CompleteAsync(IMessage request)
    {
        Begin();
        return SendPieceAsync(http.RequestAborted);
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    /// <summary>A message as a line, with its end.</summary>
    protected abstract string Line(IMessage message);

    private void Begin()
    {
        if (_begun)
            return;
        _begun = true;
        Add(head);
    }

    private void Add(string text) => Encoding.UTF8.GetBytes(text, _piece);

    private async Task SendPieceAsync(CancellationToken cancellationToken)
    {
        if (!http.Response.HasStarted)
            Downloads.Announce(http, type, name);
        await http.Response.BodyWriter.WriteAsync(_piece.WrittenMemory, cancellationToken);
        _piece.ResetWrittenCount();
    }
}

/// <summary>A log as text, a line each.</summary>
internal sealed class LogTextAnswer(HttpContext http, string job) : TextAnswer(http, "text/plain; charset=utf-8", $"{job}.log", "")
{
    protected override string Line(IMessage message)
    {
        var line = (Proto.LogLine)message;
        return string.Create(CultureInfo.InvariantCulture, $"{Downloads.Time(line.At)} g{line.Generation} r{line.Rank} {line.Worker} {line.Text}\n");
    }
}

/// <summary>Metrics as comma-separated values, a step each; what a step has not is empty.</summary>
internal sealed class MetricsCsvAnswer(HttpContext http, string job)
    : TextAnswer(http, "text/csv; charset=utf-8", $"{job}-metrics.csv", "step,at,lineage,generation,worldSize,loss,learningRate,tokensPerSecond,gradientNorm,heldOutLoss\n")
{
    protected override string Line(IMessage message)
    {
        var point = (Proto.MetricPoint)message;
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{point.Step},{Downloads.Time(point.At)},{point.Lineage},{point.Generation},{point.WorldSize},{point.Loss:R},{point.LearningRate:R},{point.TokensPerSecond:R},{(point.HasGradientNorm ? point.GradientNorm : null):R},{(point.HasHeldOutLoss ? point.HeldOutLoss : null):R}\n");
    }
}

/// <summary>
/// Files as a tar archive, made while they come: a message is taken when the one before has gone out, so that none of them waits in
/// memory.
/// </summary>
internal sealed class TarAnswer : IRestAnswer
{
    private readonly HttpContext _http;
    private readonly string _name;
    private readonly Channel<Proto.FileChunk> _chunks = Channel.CreateBounded<Proto.FileChunk>(1);
    private readonly Task _writing;

    /// <summary>Begins an archive.</summary>
    /// <param name="http">The call.</param>
    /// <param name="name">What it, and the folder in it, is called.</param>
    public TarAnswer(HttpContext http, string name)
    {
        (_http, _name) = (http, name);
        _writing = WriteAsync(http.RequestAborted);
    }

    /// <inheritdoc/>
    public async Task SendAsync(IMessage message, CancellationToken cancellationToken) => await _chunks.Writer.WriteAsync((Proto.FileChunk)message, cancellationToken);

    /// <inheritdoc/>
    public Task CompleteAsync(IMessage request)
    {
        _chunks.Writer.TryComplete();
        return _writing;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        _chunks.Writer.TryComplete(new OperationCanceledException("The files did not come to their end."));
        await _writing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private async Task WriteAsync(CancellationToken cancellationToken)
    {
        try
        {
            if (!await _chunks.Reader.WaitToReadAsync(cancellationToken))
                return;
            Downloads.Announce(_http, "application/x-tar", _name + ".tar");
            var archive = new TarWriter(_http.Response.Body, TarEntryFormat.Pax, leaveOpen: true);
            while (await _chunks.Reader.WaitToReadAsync(cancellationToken))
            {
                var first = await _chunks.Reader.ReadAsync(cancellationToken);
                await using var content = new FileContent(first, _chunks.Reader);
                await archive.WriteEntryAsync(new PaxTarEntry(TarEntryType.RegularFile, $"{_name}/{first.Path}") { DataStream = content, ModificationTime = DateTimeOffset.UnixEpoch }, cancellationToken);
            }
            // Its end is written only here: one that broke off is none.
            await archive.DisposeAsync();
        }
        catch (Exception exception)
        {
            // Whoever sends on is told.
            _chunks.Writer.TryComplete(exception);
            throw;
        }
    }

    // One file of those that come one after the other.
    private sealed class FileContent(Proto.FileChunk first, ChannelReader<Proto.FileChunk> chunks) : Stream
    {
        private ReadOnlyMemory<byte> _rest = first.Content.Memory;
        private long _position;

        public override bool CanRead => true;

        // The archive takes its length to be known only then; it never seeks.
        public override bool CanSeek => true;

        public override bool CanWrite => false;

        public override long Length => first.Size;

        public override long Position
        {
            get => _position;
            set
            {
                if (value != _position)
                    throw new NotSupportedException();
            }
        }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (_position == Length || buffer.IsEmpty)
                return 0;
            while (_rest.IsEmpty)
                _rest = (await chunks.ReadAsync(cancellationToken)).Content.Memory;
            var count = Math.Min(_rest.Length, buffer.Length);
            _rest[..count].CopyTo(buffer);
            _rest = _rest[count..];
            _position += count;
            return count;
        }

        public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override void Flush()
        {
        }
    }
}
